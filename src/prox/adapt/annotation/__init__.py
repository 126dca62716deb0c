"""Labels by a strong model: documents to keep or drop, chunks with the programs that clean them."""
