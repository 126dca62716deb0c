"""What a run did, as one page of HTML: figures, what should worry, and documents before and after."""
