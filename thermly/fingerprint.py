"""Request -> its key in the cache and how long an answer stays good, or None. Pure.

Knows: which requests are the same, which answers age fast. Must not know: where answers are kept, whether one
is there, who pays.
"""

import re
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thermly.catalog import SMART
from thermly.exchange import ChatRequest, Media, Reasoning, Refusal, Text, ToolCall, ToolResult

EVERYONE = "everyone"
"""The scope in which all accounts share their answers."""

HOUR_S = 3_600
SCANNED_CHARS = 4_000
HOT = 0.8
LONG_TALK = 4

_encoder = msgspec.json.Encoder(order="deterministic")
_letter = {Text: b"t", Refusal: b"x", Reasoning: b"r", Media: b"m", ToolCall: b"c", ToolResult: b"o"}
_word = re.compile(r"[^\W_]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _any_of(text: str) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, text.split())))


TIMELY = _words("""
    today tonight tomorrow yesterday now currently current latest recent recently newest date time live
    weather forecast price prices news headlines score scores stock stocks market rate rates schedule
    heute morgen gestern jetzt aktuell aktuelle aktuellen aktueller neueste neuesten uhrzeit
    wetter preis preise nachrichten kurs kurse aktie
    aujourd demain hier maintenant actuel actuelle actuellement dernier dernière dernières derniers heure
    météo prix actualités bourse
    hoy mañana ayer ahora actual actuales actualmente último última últimos últimas tiempo hora
    clima precio precios noticias bolsa
    oggi domani ieri adesso attuale ultime meteo prezzo notizie hoje amanhã ontem agora atual preço notícias
    bugün yarın dün şimdi güncel saat hava fiyat fiyatı fiyatları haber haberler haberleri skor borsa kur
    сегодня завтра вчера сейчас погода новости цена курс
""")
TIMELY_UNSPACED = _any_of("""
    今天 今日 明天 昨天 现在 目前 当前 最新 天气 价格 新闻 股价 股票 汇率 比分 几点
    現在 天気 価格 ニュース 株価 오늘 내일 지금 현재 최신 날씨 가격 뉴스 주가
    اليوم الآن الطقس आज अभी मौसम วันนี้
""")
CREATIVE = _words("""
    poem poems poetry story stories haiku limerick lyrics song joke jokes fiction screenplay sonnet
    brainstorm imagine roleplay creative ideas slogan slogans tagline
    gedicht gedichte geschichte märchen witz witze lied ideen
    poème poèmes histoire conte blague chanson idées
    poema poemas historia cuento chiste canción ideas poesia storia barzelletta piada
    şiir hikaye hikâye masal fıkra şarkı стих стихотворение рассказ шутка
""")
CREATIVE_UNSPACED = _any_of("""
    写诗 首诗 故事 笑话 歌词 小说 头脑风暴 俳句 物語 小説 소설 농담 아이디어 قصيدة قصة कविता कहानी
""")
LASTING = _words("""
    translate translation define definition meaning synonym spell explain
    code function python javascript java sql regex algorithm bug compile refactor class
    solve equation integral derivative prove proof calculate compute theorem matrix
    übersetze übersetzen übersetzung definiere bedeutet bedeutung erkläre funktion
    löse gleichung beweise berechne
    traduis traduire traduction définir définition signifie explique fonction résous équation démontre calcule
    traduce traducir traducción define definición significa explica función resuelve ecuación demuestra calcula
    traduci definisci spiega calcola traduza explique
    çevir tercüme tanımla anlamı demek açıkla fonksiyon çöz denklem kanıtla ispatla hesapla
    переведи определение объясни функция реши уравнение докажи вычисли
""")
LASTING_UNSPACED = _any_of("""
    翻译 定义 什么是 意思 解释 代码 函数 算法 方程 证明 计算 求解
    翻訳 定義 とは 説明 コード 関数 방정식 번역 정의 설명 코드 함수 ترجم अनुवाद
""")


class Print(Struct, frozen=True, gc=False):
    key: str
    lifetime_s: int


def of(request: ChatRequest, scope: str) -> Print | None:
    """None where the request must not be answered from the cache: its model was asked for by name.

    `scope` is the account, or EVERYONE. A request for a fresh answer has a print too, since its answer
    replaces the kept one; streams and whole replies share theirs.
    """
    if request.model not in SMART:
        return None
    return Print(key(request, scope), lifetime_s(request))


def key(request: ChatRequest, scope: str) -> str:
    """Equal for two requests that are equal in everything but how the answer is delivered."""
    if request.stream or request.fresh or request.wishes:
        request = replace(request, stream=False, fresh=False, wishes=())
    # Text, refusals and thoughts look alike once encoded: their letters tell them apart.
    letters = b"".join([_letter[type(part)] for message in request.messages for part in message.parts])
    return sha256(b"\0".join((_encoder.encode(request), letters, scope.encode()))).hexdigest()


def lifetime_s(request: ChatRequest) -> int:
    """By kind of query; the first row that fits."""
    text = _asked(request)
    words = frozenset(_word.findall(text))
    spaced = text.isascii()
    if not TIMELY.isdisjoint(words) or (not spaced and TIMELY_UNSPACED.search(text)):
        return HOUR_S
    if _is_creative(request, words) or (not spaced and CREATIVE_UNSPACED.search(text)):
        return 2 * HOUR_S
    if request.tools or sum(m.role in ("user", "assistant") for m in request.messages) > LONG_TALK:
        return 4 * HOUR_S
    if "```" in text or not LASTING.isdisjoint(words) or (not spaced and LASTING_UNSPACED.search(text)):
        return 24 * HOUR_S
    return 12 * HOUR_S


def _is_creative(request: ChatRequest, words: frozenset[str]) -> bool:
    temperature = request.tuning.temperature
    return (temperature is not None and temperature >= HOT) or not CREATIVE.isdisjoint(words)


def _asked(request: ChatRequest) -> str:
    """What the user said, lower case; of much, the last."""
    said: list[str] = []
    left = SCANNED_CHARS
    for message in reversed(request.messages):
        if message.role == "user" and left > 0:
            text = message.text[-left:]
            left -= len(text)
            said.append(text)
    return "\n".join(said).lower()
