"""Texts of kinds that nobody labelled, and that have to survive all the same: own words, own code, own formulas."""

CODE = '''
import csv
from collections import Counter


def count_words(path: str, column: int = 0) -> Counter[str]:
    """How often each word stands in one column of a table."""
    counts: Counter[str] = Counter()
    with open(path, newline="", encoding="utf-8") as rows:
        for row in csv.reader(rows):
            counts.update(row[column].lower().split())
    return counts


class Shelf:
    def __init__(self, size: int) -> None:
        self.books = [None] * size
        self.free = size

    def put(self, place: int, book: str) -> None:
        if self.books[place] is not None:
            raise ValueError(f"place {place} is taken")
        self.books[place] = book
        self.free -= 1


if __name__ == "__main__":
    shelf = Shelf(10)
    shelf.put(0, "A History of Rain")
    for word, count in count_words("books.csv", 1).most_common(20):
        print(f"{word:<20}{count:>6}")
'''.strip()

TABLE = """
The three lakes were measured every spring from 1994 on. The table gives depth in metres, temperature at the surface
in degrees and visibility in metres.

| Lake | Year | Depth | Temperature | Visibility |
| --- | --- | --- | --- | --- |
| Upper | 1994 | 31.2 | 9.8 | 4.1 |
| Upper | 1995 | 30.9 | 10.4 | 3.8 |
| Upper | 1996 | 31.0 | 9.1 | 4.4 |
| Middle | 1994 | 12.7 | 12.0 | 2.2 |
| Middle | 1995 | 12.5 | 12.9 | 1.9 |
| Middle | 1996 | 12.9 | 11.7 | 2.0 |
| Lower | 1994 | 54.3 | 8.2 | 6.0 |
| Lower | 1995 | 54.1 | 8.8 | 5.7 |
| Lower | 1996 | 54.6 | 7.9 | 6.3 |

The lower lake is the deepest and the clearest of the three. In the warm year of 1995 all of them lost water, and in
all of them one could see less far down.
""".strip()

POEM = """
The Ferryman

He counts the lights along the shore,
one for the mill, one for the inn,
and one that was not there before,
small as a coin and just as thin.

The river does not ask his name,
it knows the rowing of his hand.
The rope is old, the knot the same,
the water lifts him off the land.

Who calls at night across the reeds
and pays with neither gold nor word?
He takes the oars. A ferry needs
no more than that a voice was heard.

And when the morning finds the boat
tied up as ever by the stone,
there is a petal still afloat,
and footprints that are not his own.
""".strip()

MATHEMATICS = r"""
We want to show that the sum of the first $n$ odd numbers is a square.

\textbf{Claim.} For every $n \ge 1$,
\[
  \sum_{k=1}^{n} (2k - 1) = n^2 .
\]

\textbf{Proof.} For $n = 1$ both sides are $1$. Suppose that the claim holds for some $n$. Then
\begin{align*}
  \sum_{k=1}^{n+1} (2k - 1) &= n^2 + (2(n + 1) - 1) \\
                            &= n^2 + 2n + 1 \\
                            &= (n + 1)^2 ,
\end{align*}
which is the claim for $n + 1$. \qed

The same can be seen from $f(x) = x^2$: since $f(k) - f(k - 1) = 2k - 1$, the sum telescopes, and
\[
  \sum_{k=1}^{n} \bigl( f(k) - f(k - 1) \bigr) = f(n) - f(0) = n^2 .
\]

Let $A = (a_{ij})$ be an $n \times n$ matrix with $a_{ij} = 1$ if $\max(i, j)$ is even and $0$ if not. How many ones
does it have (see [1] and [2, p. 17])? Layer $m$, the entries with $\max(i, j) = m$, holds $2m - 1$ of them.
""".strip()

CHAT = """
[18:02] <mira> has anybody got the new sensor to talk to the old board?
[18:02] <jonas> yes, but you have to pull the second pin up, it floats otherwise
[18:03] <mira> with what, 10k?
[18:03] <jonas> 4.7k works better on the long cable
[18:05] <petra> and the clock must be slower than it says in the data sheet, ours only answers below 80 kHz
[18:06] <mira> ah, that may be it. I run it at 100
[18:09] <mira> 80 kHz and it answers! thank you
[18:09] <jonas> great. write it down somewhere, the next one will ask again
[18:11] <petra> I put a note into the wiki last year, but nobody found it
[18:12] <mira> then I add the wiring to it tonight, with a photo
[18:12] <jonas> what do you measure with it anyway?
[18:14] <mira> humidity under the roof, we think that the insulation is wet on the north side
[18:15] <petra> give it two weeks before you believe any number, ours drifted at first
""".strip()

ARABIC = """
كانت المدينة القديمة تنام على ضفة النهر منذ أكثر من ألف عام، وكان أهلها يعرفون كل حجر في شوارعها الضيقة.
في الصباح الباكر يفتح الخباز باب دكانه، فتمتلئ الحارة برائحة الخبز الطازج، ويأتي الأطفال ليشتروا أرغفة صغيرة.
أما الصياد العجوز فكان يجلس قرب الجسر، يصلح شباكه ويحكي للمارة حكايات عن الفيضان الكبير الذي غمر السوق كله في شتاء بعيد.
يقول الناس إن الماء وصل يومها إلى نوافذ الطابق الثاني، وإن القوارب كانت تمر بين البيوت كما تمر العربات اليوم.
وبعد أن انحسر الماء اجتمع الأهالي وبنوا سوراً جديداً من الحجر الأبيض، وما زال هذا السور قائماً حتى الآن.
وفي كل ربيع يحتفل سكان المدينة بذكرى ذلك العمل المشترك، فيعلقون المصابيح على السور ويغنون حتى منتصف الليل.
""".strip()

HEBREW = """
העיירה הקטנה שכנה בין שתי גבעות, ורק דרך עפר אחת הובילה אליה מן העמק שמתחתיה.
בכל יום שני היה הדוור מגיע על אופניו הישנים, מביא מכתבים ועיתונים ומספר לילדים מה ראה בדרך.
זקנת המקום זכרה עוד את הימים שבהם שאבו מים מן הבאר שבכיכר, לפני שהונחו הצינורות הראשונים.
היא נהגה לומר שהמים של אז היו קרים ומתוקים יותר, אבל שאיש לא היה רוצה לסחוב אותם שוב.
כאשר החליטה המועצה לסתום את הבאר, נאספו התושבים וביקשו להשאיר אותה במקומה, לזכר הימים ההם.
""".strip()

CHINESE = """
老桥修好的那一年，河里的水特别大，村里的人站在岸边看了整整一个下午。
木匠说，桥墩用的是山上的石头，一百年也不会坏，可是桥面的木板每隔十年就要换一次。
孩子们不关心这些，他们只想知道，什么时候可以从桥上跳进水里。
到了夏天，老人们坐在桥头的树下乘凉，讲从前渡船的故事，说那时过一次河要等半个时辰。
后来镇上修了公路，汽车从新的大桥上走，老桥就只剩下散步的人和几只晒太阳的猫。
有人提议把它拆掉，把石头卖了，但是木匠的孙子不同意，他说这座桥记得每一个走过它的人。
""".strip()

JAPANESE = """
祖父の家の裏には小さな畑があり、夏になると毎朝そこでトマトやきゅうりを収穫しました。
畑の端には古い井戸があって、水はとても冷たく、西瓜を冷やすのにちょうどよかったのです。
祖父は土の色を見るだけで、次の日に雨が降るかどうかを当てることができました。
私が理由を尋ねると、祖父は笑って、土が教えてくれるのだと答えました。
今では畑は誰も耕していませんが、井戸の水は昔と同じように冷たいままです。
""".strip()

NUMBERS = "\n".join(f"{n * 7919 % 1000}  {n * 104729 % 10000 / 100:.2f}  {n}" for n in range(40))

SURVIVE = {
    "code": CODE,
    "table": TABLE,
    "poem": POEM,
    "mathematics": MATHEMATICS,
    "chat": CHAT,
    "arabic": ARABIC,
    "hebrew": HEBREW,
    "chinese": CHINESE,
    "japanese": JAPANESE,
}
