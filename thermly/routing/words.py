"""The words that tell kinds of requests apart, as data, in the languages that callers write most.

Knows: vocabulary. Must not know: what any of it weighs.
`WORDS` are whole words, `STEMS` beginnings of words (for languages that inflect), `UNSPACED` pieces of text in
scripts without spaces or with endings that stems do not catch, where `_` is a space. All lower case.
"""

WORDS = {
    "greeting": """
        hi hello hey yo hiya howdy thanks thank thx cheers bye goodbye welcome ok okay cool goodnight
        hallo moin servus guten abend danke tschüss tschüs grüß bonjour salut coucou bonsoir merci
        hola buenos buenas gracias adiós ciao grazie olá oi obrigado obrigada
        merhaba selam selamlar teşekkürler teşekkür sağol günaydın привет здравствуйте спасибо пока
        buongiorno buonasera salve hoi goedemorgen goedemiddag goedenavond bedankt dankjewel doei cześć hej
        witaj dzięki dziękuję hejsan tjena tackar hei moikka kiitos ahoj čau děkuji szia köszönöm bună
        mulțumesc halo terima chào привіт дякую γεια ευχαριστώ καλημέρα שלום תודה היי سلام""",
    "lookup": """
        who when where whose capital define definition meaning spell spelled synonym antonym abbreviation
        wer wann wo wem hauptstadt bedeutet bedeutung qui quand où capitale signifie définition
        quién cuándo dónde significa chi quando dove quem onde kim zaman nerede neresi başkenti anlamı кто когда где
        столица
        wanneer hoofdstad betekent kto kiedy gdzie stolica stolicą stolicę znaczy oznacza vem när huvudstad
        huvudstaden betyder kdo kdy kuka milloin missä pääkaupunki hvem hvornår hvor hovedstad mikor fővárosa
        cine capitala siapa kapan dimana ibukota хто коли де столиця столицю ποιος ποια ποιο πού πότε
        πρωτεύουσα מי מתי איפה היכן""",
    "code": """
        code function functions python javascript typescript java rust golang sql regex algorithm bash
        script html css api json class array string bug exception compile lambda def async pandas react
        funktion klasse quellcode fonction código función funzione kod kodu fonksiyon sınıf код функция
        broncode kildekode källkod koodi kód funkcja funkce funktio fungsi funkció функція""",
    "maths": """
        equation equations integral derivative matrix polynomial probability eigenvalue vector triangle
        solve compute calculate calculus algebra geometry modulo integer integers prime fraction percent
        gleichung berechne löse matrix équation intégrale résous calcule dérivée ecuación resuelve calcula
        denklem hesapla çöz integrali türevi olasılık уравнение вычисли интеграл вероятность
        bereken vergelijking integraal afgeleide oblicz równanie całka całkę pochodna pochodną beräkna ekvation
        derivata laske yhtälö vypočítej rovnice beregn ligning számítsd egyenlet calculează ecuația hitunglah
        hitung persamaan обчисли рівняння υπολόγισε εξίσωση""",
    "proof": """
        prove proves proved proving proven proof proofs derive derivation induction contradiction
        bevis demonstre""",
    "plan": """
        plan plans planning""",
    "legal": """
        statute statutes plaintiff defendant jurisdiction tort gdpr dsgvo rgpd kvkk clause clauses liability
        court courts plea appeal law laws loi lois droit bgb ley leyes contrat contrats recht gesetz
        wetten prawna prawne prawny prawnej prawnych umowa umowy umowie umowę ustawa ustawy avtal avtalet
        kontrakt kontrakten kontrak hukum pasal smlouva smlouvy smlouvě smlouvu закон закону σύμβαση σύμβασης
        νόμος νόμου legea""",
    "constraint": """
        must exactly without only least most except unless ensure each every avoid neither both within
        muss müssen genau ohne nur mindestens höchstens jede jeder doit exactement sans seulement chaque
        debe exactamente sin solo cada tam sadece her olmadan en""",
    "steps": """
        step steps then first second finally next schritt schritte zuerst dann schließlich étape étapes
        puis ensuite enfin paso pasos luego primero finalmente adım adımlar önce sonra
        stap stappen vervolgens daarna krok kroki następnie därefter langkah kemudian крок кроки βήμα βήματα""",
    "creative": """
        poem story haiku joke limerick song tagline slogan gedicht geschichte witz poème histoire blague
        poema cuento chiste şiir hikaye fıkra""",
}

STEMS = {
    "proof": """
        theorem lemma rigorous
        beweis bewies herleit herzuleit widerspruch preuve démontr demontr prouve théorème
        demuestr demostra teorema dimostr kanıtla ispat teorem türet докаж доказ теорем
        demonstreaz demonstrați demonstrand bewijs stelling udowodn udowadn dowód dowieś twierdzen bevisa
        beviset todist dokaž dokáz důkaz bizony buktikan pembukti довед απόδει αποδεί θεώρημ""",
    "refactor": """
        refactor rearchitect microservice multithread deadlock codebase code-base multi-file monorepo
        refaktor refakto umstrukturier restructur reestructur yapılandır рефактор
        nebenläuf
        rifattor refator zrefaktor przebudow omstrukturer uudelleenjärj átszervez αναδιάρθρ αναδιαρθ реструктур
        mikroserwis mikrotjänst mikropalvel mikroslužb""",
    "code": """
        implement debug optimiz optimis migrat migrier migrac concurren distributed scalab
        architektur arquitectur mimari архитектур dosya fichier archivo
        architektuur plików pliki tiedosto soubor fájl fișier berkas файл αρχεί arquivos""",
    "legal": """
        legal contract litigat compliance constitution precedent jurisprud indemn fiduciar regulat
        rechtlich rechtsprechung vertrag haftung klausel urteil verfassung juridi contractuel
        jurídic juridic contrato responsab cláusula hukuk sözleşme mahkeme kanun mevzuat yargı юриди договор
        clausol giurisprud cláusulas aansprakelijk overeenkomst rechtspraak rechtbank juridisch grondwet
        klauzul odpowiedzialno orzeczni ansvars rättspraxis rättslig juridisk domstol lagstift klausul
        yurisprud tanggung vastuulausek sopimu oikeuskäyt lainsää odpovědnost judikatur ustanoven retspraksis
        lovgiv felelős záradék szerződ joggyakor clauzel răspunder jurispruden відповідальн судов ευθύν ρήτρ
        νομολογ ответственн судебн законодат""",
    "analysis": """
        analy evaluat critique critically assess synthes compar contrast implication justif tradeoff trade-off
        bewert vergleich beurteil untersuch evalu compare synthè synthét analiz karşılaştır değerlendir
        sentez sintetiz compara анализ сравн оцен
        vergelijk beoordeel przeanaliz porówn oceń jämför utvärder bedöm bandingk vertail arvioi porovn zhodno
        sammenlign vurder hasonlít elemez elemz értékel порівн оцін проанал ανάλυ αναλύ σύγκρι συγκρί αξιολόγ""",
    "plan": """
        strateg roadmap architect design propos framework methodolog comprehensive detailed thorough
        entwirf entwurf umfassend ausführlich detailliert conçois concevoir détaillé approfondi
        diseñ detallad exhaustiv completo tasarla ayrıntılı kapsamlı detaylı разработ подробн
        ontwerp uitgebreid gedetailleerd zaprojekt szczegół kompleksow detalj omfattande rancang terperinci
        suunnitt yksityiskoht navrhn podrobn tervez részlet proiecteaz detaliat спроєкт докладн σχεδία λεπτομερ""",
    "translation": """
        translat übersetz traduis tradui traduc traduz tercüme çevir перевед
        vertaal przetłumacz översätt oversæt terjemah käännä přelož fordíts перекла μετάφρα""",
}

UNSPACED = {
    "greeting": """
        你好 您好 谢谢 嗨 早上好 晚上好 再见 こんにちは ありがとう おはよう 안녕 감사
        مرحبا السلام शुक्रिया नमस्ते สวัสดี
        أهلا شكرا नमस्कार धन्यवाद ขอบคุณ""",
    "lookup": """
        是谁 什么时候 在哪 哪里 首都 什么是 是什么意思 誰 どこ いつ 首都 누구 언제 어디 수도
        عاصمة پایتخت متى أين کجاست בירת राजधानी कहाँ เมืองหลวง ที่ไหน เมื่อไหร่ คือใคร thủ_đô là_ai ở_đâu
        khi_nào""",
    "translation": """
        翻译 翻訳 번역 ترجم अनुवाद
        תרגם ترجمه แปล dịch_sang""",
    "proof": """
        证明 定理 推导 归纳法 反证 証明 帰納法 증명 정리 برهن सिद्ध
        أثبت إثبات اثبت مبرهنة ثابت_کن اثبات הוכח הוכיח พิสูจน์ ทฤษฎีบท chứng_minh định_lý quy_nạp प्रमेय""",
    "maths": """
        方程 积分 导数 矩阵 概率 求解 计算 数列 函数 三角形 計算 積分 방정식 적분 확률 계산
        معادلة معادله تكامل مشتقة احسب משוואה נגזרת אינטגרל สมการ อนุพันธ์ คำนวณ phương_trình tích_phân đạo_hàm
        xác_suất समीकरण समाकलन अवकलज""",
    "code": """
        代码 编程 脚本 接口 算法 コード プログラム 코드 함수 프로그램
        ملفات كود برمجة فایل קבצים โค้ด ไฟล์ mã_nguồn lập_trình tệp फ़ाइल कोड""",
    "refactor": """
        重构 架构 多文件 多个文件 并发 分布式 微服务 迁移 代码库 调试 リファクタ 分散 아키텍처 리팩터링
        هيكلة بازآرایی مصغرة ריפקטור ปรับโครงสร้าง tái_cấu_trúc रीफैक्टर रिफैक्टर पुनर्गठ""",
    "legal": """
        法律 合同 法院 诉讼 条款 判例 法规 违约 赔偿 责任 司法 契約 判決 법률 계약 판례
        قانون العقد محكمة المسؤولية القضائي بنود قرارداد مسئولیت قضایی חוזה משפט אחריות פסיקה סעיפ สัญญา กฎหมาย
        ความรับผิด คำพิพากษา ข้อกำหนด pháp_luật hợp_đồng trách_nhiệm tòa_án điều_khoản án_lệ अनुबंध कानून
        दायित्व न्यायिक""",
    "analysis": """
        分析 比较 评估 综合 评价 论述 利弊 影响 比較 評価 분석 비교 평가
        حلل تحليل تحلیل قارن مقارنة مقایسه تقييم נתח ניתוח השווה השוואה วิเคราะห์ เปรียบเทียบ ประเมิน phân_tích
        so_sánh đánh_giá विश्लेषण तुलना मूल्यांकन""",
    "plan": """
        设计 方案 规划 策略 详细 全面 系统地 設計 計画 詳細 설계 전략 상세
        صمم تصميم مفصل مفصلة استراتيجي מפורט אסטרטגי ออกแบบ กลยุทธ์ thiết_kế chi_tiết chiến_lược रणनीति विस्तृत""",
    "steps": """
        步骤 首先 然后 最后 一步 手順 단계
        خطوة خطوات ขั้นตอน từng_bước चरण""",
    "constraint": "必须 至少 不得 只能 要求 不超过 必ず 반드시",
    "creative": "写诗 首诗 故事 笑话 俳句 物語 농담",
}
