import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.exchange import ChatRequest, Message, Text, Tool
from thermly.routing import judge, read

GREETINGS = (
    "Hello!",
    "hi there",
    "Thanks a lot!",
    "Hallo, wie geht's?",
    "Guten Morgen",
    "Bonjour, ça va ?",
    "¡Hola! ¿Cómo estás?",
    "Merhaba, nasılsın?",
    "Günaydın",
    "你好！",
    "谢谢你",
)
ASKS_AFTER_A_GREETING = (
    "Hello! Book me a flight to Rome",
    "Hi, what's the weather in Paris?",
    "Hallo, buche mir einen Flug nach Rom",
    "你好，请帮我订一张去罗马的机票",
)
SHORT_FACTS = ("What is the capital of France?", "Wer hat Faust geschrieben?", "法国的首都是哪里？")
EVERYDAY = (
    "Write a haiku about coding.",
    "Erkläre, wie Fotosynthese funktioniert.",
    "How do I reverse a list in Python?",
    "Write a short email to my boss asking for a day off on Friday.",
)
PROOFS = (
    "Prove that the square root of 2 is irrational.",
    "Beweise, dass es unendlich viele Primzahlen gibt.",
    "Démontrez que la racine carrée de 2 est irrationnelle.",
    "Demuestra que la raíz cuadrada de 2 es irracional.",
    "2'nin karekökünün irrasyonel olduğunu kanıtla.",
    "请证明根号2是无理数。",
)
REFACTORINGS = (
    "Refactor this codebase: split the payment module into several files and migrate all tests.",
    "Refaktoriere das Zahlungsmodul über mehrere Dateien und migriere alle Tests.",
    "Refactorise le module de paiement sur plusieurs fichiers et migre tous les tests.",
    "Refactoriza el módulo de pagos en varios archivos y migra todas las pruebas.",
    "Ödeme modülünü birden çok dosyaya bölerek yeniden yapılandır ve tüm testleri taşı.",
    "请重构支付模块，把代码拆分到多个文件，并迁移所有测试。",
)
LEGAL = (
    "Analyze the liability clauses of this contract under GDPR and synthesize the case law of three states.",
    "Analysiere die Haftungsklauseln dieses Vertrags nach der DSGVO und vergleiche die Rechtsprechung.",
    "Analysez les clauses de responsabilité de ce contrat au regard du RGPD et synthétisez la jurisprudence.",
    "Analiza las cláusulas de responsabilidad de este contrato según el RGPD y sintetiza la jurisprudencia.",
    "Bu sözleşmenin sorumluluk maddelerini KVKK açısından analiz et ve yargı kararlarını sentezle.",
    "请分析本合同的违约责任条款，并综合三个法域的判例。",
)

# Language -> a greeting, a short fact, a proof, a refactoring, a legal synthesis.
ELSEWHERE = {
    "Italian": (
        "Ciao, come stai?",
        "Chi ha scritto la Divina Commedia?",
        "Dimostra che la radice quadrata di 2 è irrazionale.",
        "Rifattorizza il modulo di pagamento su più file e migra tutti i test.",
        "Analizza le clausole di responsabilità di questo contratto e sintetizza la giurisprudenza.",
    ),
    "Portuguese": (
        "Olá, tudo bem?",
        "Qual é a capital da França?",
        "Demonstre que a raiz quadrada de 2 é irracional.",
        "Refatore o módulo de pagamento em vários arquivos e migre todos os testes.",
        "Analise as cláusulas de responsabilidade deste contrato e sintetize a jurisprudência.",
    ),
    "Dutch": (
        "Hallo, hoe gaat het?",
        "Wat is de hoofdstad van Frankrijk?",
        "Bewijs dat de wortel van 2 irrationaal is.",
        "Refactor de betaalmodule over meerdere bestanden en migreer alle tests.",
        "Analyseer de aansprakelijkheidsclausules van deze overeenkomst en vergelijk de rechtspraak.",
    ),
    "Polish": (
        "Cześć, jak się masz?",
        "Co jest stolicą Francji?",
        "Udowodnij, że pierwiastek z 2 jest liczbą niewymierną.",
        "Zrefaktoryzuj moduł płatności na kilka plików i przenieś wszystkie testy.",
        "Przeanalizuj klauzule odpowiedzialności w tej umowie i porównaj orzecznictwo.",
    ),
    "Swedish": (
        "Hej, hur mår du?",
        "Vad är Frankrikes huvudstad?",
        "Bevisa att roten ur 2 är irrationell.",
        "Refaktorera betalningsmodulen över flera filer och migrera alla tester.",
        "Analysera ansvarsklausulerna i detta avtal och jämför rättspraxis.",
    ),
    "Vietnamese": (
        "Xin chào!",
        "Thủ đô của Pháp là gì?",
        "Chứng minh rằng căn bậc hai của 2 là số vô tỉ.",
        "Tái cấu trúc mô-đun thanh toán thành nhiều tệp và di chuyển tất cả các bài kiểm thử.",
        "Phân tích các điều khoản trách nhiệm của hợp đồng này và so sánh án lệ.",
    ),
    "Russian": (
        "Привет, как дела?",
        "Какая столица Франции?",
        "Докажи, что корень из 2 иррационален.",
        "Проведи рефакторинг модуля оплаты, раздели его на несколько файлов и перенеси все тесты.",
        "Проанализируй условия об ответственности в этом договоре и сравни судебную практику.",
    ),
    "Ukrainian": (
        "Привіт, як справи?",
        "Яка столиця Франції?",
        "Доведи, що корінь з 2 є ірраціональним.",
        "Проведи рефакторинг модуля оплати на кілька файлів і перенеси всі тести.",
        "Проаналізуй умови відповідальності в цьому договорі та порівняй судову практику.",
    ),
    "Japanese": (
        "こんにちは！",
        "フランスの首都はどこですか？",
        "2の平方根が無理数であることを証明してください。",
        "決済モジュールを複数のファイルに分けてリファクタリングし、テストをすべて移行してください。",
        "この契約の責任条項を分析し、判例を比較してください。",
    ),
    "Korean": (
        "안녕하세요!",
        "프랑스의 수도는 어디입니까?",
        "2의 제곱근이 무리수임을 증명하세요.",
        "결제 모듈을 여러 파일로 리팩터링하고 모든 테스트를 옮기세요.",
        "이 계약의 책임 조항을 분석하고 판례를 비교하세요.",
    ),
    "Hindi": (
        "नमस्ते!",
        "फ्रांस की राजधानी क्या है?",
        "सिद्ध करें कि 2 का वर्गमूल अपरिमेय है।",
        "भुगतान मॉड्यूल को कई फ़ाइलों में रीफैक्टर करें और सभी परीक्षण स्थानांतरित करें।",
        "इस अनुबंध की दायित्व धाराओं का विश्लेषण करें और न्यायिक निर्णयों की तुलना करें।",
    ),
    "Hebrew": (
        "שלום, מה שלומך?",
        "מהי בירת צרפת?",
        "הוכח ששורש 2 הוא אי-רציונלי.",
        "בצע ריפקטורינג למודול התשלומים למספר קבצים והעבר את כל הבדיקות.",
        "נתח את סעיפי האחריות בחוזה הזה והשווה את הפסיקה.",
    ),
    "Arabic": (
        "مرحبا، كيف حالك؟",
        "ما هي عاصمة فرنسا؟",
        "أثبت أن الجذر التربيعي للعدد 2 عدد غير نسبي.",
        "أعد هيكلة وحدة الدفع في عدة ملفات وانقل جميع الاختبارات.",
        "حلل بنود المسؤولية في هذا العقد وقارن الأحكام القضائية.",
    ),
    "Persian": (
        "سلام، حالت چطوره؟",
        "پایتخت فرانسه کجاست؟",
        "ثابت کنید که ریشهٔ دوم ۲ گنگ است.",
        "ماژول پرداخت را در چند فایل بازآرایی کن و همهٔ آزمون‌ها را منتقل کن.",
        "بندهای مسئولیت این قرارداد را تحلیل و رویهٔ قضایی را مقایسه کن.",
    ),
    "Indonesian": (
        "Halo, apa kabar?",
        "Siapa presiden Indonesia?",
        "Buktikan bahwa akar kuadrat dari 2 adalah irasional.",
        "Refaktor modul pembayaran menjadi beberapa berkas dan migrasikan semua pengujian.",
        "Analisis klausul tanggung jawab dalam kontrak ini dan bandingkan yurisprudensinya.",
    ),
    "Finnish": (
        "Hei, mitä kuuluu?",
        "Mikä on Ranskan pääkaupunki?",
        "Todista, että luvun 2 neliöjuuri on irrationaalinen.",
        "Refaktoroi maksumoduuli useaan tiedostoon ja siirrä kaikki testit.",
        "Analysoi tämän sopimuksen vastuulausekkeet ja vertaile oikeuskäytäntöä.",
    ),
    "Czech": (
        "Ahoj, jak se máš?",
        "Kdo napsal Hamleta?",
        "Dokažte, že odmocnina ze 2 je iracionální.",
        "Refaktoruj platební modul do více souborů a přesuň všechny testy.",
        "Analyzuj ustanovení o odpovědnosti v této smlouvě a porovnej judikaturu.",
    ),
    "Danish": (
        "Hej, hvordan går det?",
        "Hvad er Frankrigs hovedstad?",
        "Bevis, at kvadratroden af 2 er irrationel.",
        "Refaktorér betalingsmodulet i flere filer, og migrér alle tests.",
        "Analysér ansvarsklausulerne i denne kontrakt, og sammenlign retspraksis.",
    ),
    "Hungarian": (
        "Szia, hogy vagy?",
        "Mi Franciaország fővárosa?",
        "Bizonyítsd be, hogy a 2 négyzetgyöke irracionális.",
        "Refaktoráld a fizetési modult több fájlba, és költöztesd át az összes tesztet.",
        "Elemezd a szerződés felelősségi záradékait, és hasonlítsd össze a joggyakorlatot.",
    ),
    "Greek": (
        "Γεια σου, τι κάνεις;",
        "Ποια είναι η πρωτεύουσα της Γαλλίας;",
        "Απόδειξε ότι η τετραγωνική ρίζα του 2 είναι άρρητη.",
        "Αναδιάρθρωσε τη μονάδα πληρωμών σε πολλά αρχεία και μετέφερε όλες τις δοκιμές.",
        "Ανάλυσε τις ρήτρες ευθύνης αυτής της σύμβασης και σύγκρινε τη νομολογία.",
    ),
    "Romanian": (
        "Bună, ce mai faci?",
        "Care este capitala Franței?",
        "Demonstrează că rădăcina pătrată a lui 2 este irațională.",
        "Refactorizează modulul de plăți în mai multe fișiere și migrează toate testele.",
        "Analizează clauzele de răspundere din acest contract și compară jurisprudența.",
    ),
    "Thai": (
        "สวัสดีครับ",
        "เมืองหลวงของฝรั่งเศสคืออะไร",
        "จงพิสูจน์ว่ารากที่สองของ 2 เป็นจำนวนอตรรกยะ",
        "ปรับโครงสร้างโค้ดโมดูลการชำระเงินเป็นหลายไฟล์และย้ายการทดสอบทั้งหมด",
        "วิเคราะห์ข้อกำหนดความรับผิดของสัญญานี้และเปรียบเทียบคำพิพากษา",
    ),
}


def judged(text, **fields):
    return judge(read(ChatRequest("auto", (Message("user", (Text(text),)),), **fields)))


@pytest.mark.parametrize("text", GREETINGS + SHORT_FACTS)
def test_greetings_and_short_facts_are_level_1(text):
    assert judged(text).level == 1


@pytest.mark.parametrize("count", [1, 10])
def test_tools_make_no_task_of_a_greeting(count):
    tools = tuple(Tool(f"t{place}") for place in range(count))
    assert {judged(text, tools=tools).level for text in GREETINGS} == {1}
    assert min(judged(text, tools=tools).level for text in ASKS_AFTER_A_GREETING) > 1


def test_in_the_midst_of_a_talk_the_words_of_a_greeting_may_set_tools_to_work():
    talk = [("user", "Cancel my order"), ("assistant", "Shall I?"), ("user", "ok, do it")]
    messages = tuple(Message(role, (Text(text),)) for role, text in talk)
    assert judge(read(ChatRequest("auto", messages, tools=(Tool("cancel"),)))).level > 1


@pytest.mark.parametrize("text", EVERYDAY)
def test_everyday_requests_are_level_2(text):
    assert judged(text).level == 2


@pytest.mark.parametrize("text", PROOFS + REFACTORINGS + LEGAL)
def test_proofs_refactorings_and_legal_syntheses_are_level_4_or_5(text):
    assert judged(text).level >= 4


@pytest.mark.parametrize("language", ELSEWHERE)
def test_so_it_is_in_languages_that_benchmarks_do_not_know(language):
    greeting, fact, *hard = (judged(text).level for text in ELSEWHERE[language])
    assert greeting == 1 and fact <= 2 and min(hard) >= 4


@pytest.mark.parametrize("material", ["Just some plain words about nothing much. ", "x = f(y);\n"])
def test_long_material_alone_does_not_ask_for_the_best_model(material):
    assert judged("Summarize this:\n" + material * 1_000).level <= 4


@pytest.mark.parametrize("text", ["Please proofread my letter.", "Newton's second law", "waterproof jackets"])
def test_words_that_only_look_hard_weigh_little(text):
    assert judged(text).level <= 2


def test_reasons_are_words_and_the_weightiest_comes_first():
    assert judged("Hello!").reasons == ("short greeting",)
    assert judged(PROOFS[0]).reasons[0] == "asks for a proof"
    assert "tools offered: 3" in judged("hm", tools=tuple(Tool(name) for name in "abc")).reasons
    assert "asks for 2000 words" in judged("an essay in 2000 words").reasons


def test_more_of_the_same_is_never_easier():
    scores = [judged("Compare these two ideas. " * times).score for times in (1, 4, 16, 64, 256)]
    assert scores == sorted(scores)
    tools = [judged("Book a flight", tools=(Tool("x"),) * count).score for count in range(6)]
    assert tools == sorted(tools)


@pytest.mark.parametrize("text", [*SHORT_FACTS, *EVERYDAY, *PROOFS, *REFACTORINGS, *LEGAL])
@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.lower,
        lambda text: text.replace(" ", "  "),
        lambda text: "Please be so kind as to help me with this. " + text,
        lambda text: text + " Thank you very much!",
    ],
)
def test_what_is_only_written_otherwise_stays_within_a_level(text, change):
    assert abs(judged(change(text)).level - judged(text).level) <= 1


def test_a_proof_stays_a_proof_whatever_stands_before_it():
    lorem = "Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy eirmod tempor. " * 20
    assert judged(lorem + PROOFS[0]).level >= 4
    assert judged("Prove that $x^2 + y^2 \\ge 2xy$ for all real $x$ and $y$.").level >= 4
    assert judged("Refactor this function over several files:\n```python\ndef f(x):\n    return x\n```").level >= 4


def test_a_trained_head_says_what_it_took_the_request_for():
    question = "Which of these is a noble gas?\nA. Oxygen\nB. Neon\nC. Iron\nD. Chlorine"
    assert judged(question).reasons[0].startswith("a question with options")
    assert 2 <= judged(question).level <= 4
    shouted = [judged(question.replace("gas", "gas" + "!" * count)).score for count in (0, 1, 50)]
    assert max(shouted) - min(shouted) < 0.1


@given(st.text(max_size=200), st.integers(1, 100), st.integers(0, 3))
def test_long_conversations_are_judged_quickly(text, turns, tools):
    messages = tuple(Message(("user", "assistant")[i % 2], (Text(text * 50),)) for i in range(turns))
    request = ChatRequest("auto", messages, tools=(Tool("x"),) * tools)
    judge(read(request))
    began = time.process_time()
    assert 0 < judge(read(request)).score < 1
    assert time.process_time() - began < 0.05
