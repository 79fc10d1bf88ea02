"""The words that tell one exam question, sum or function from another, as data.

Knows: vocabulary. Must not know: what any of it weighs.
`TOPICS` name what a text is about and how it asks; a word may belong to several. All lower case.
"""

TOPICS = {
    "negation": """
        not no never except cannot can't don't doesn't isn't aren't won't without neither nor false incorrect
        least unlikely nicht kein keine pas jamais değil olmayan""",
    "condition": "if unless whether suppose assume assuming given provided when wenn falls si eğer ise",
    "quantifier": """
        all every each any some none only both either neither most few exactly always least jede jeder alle
        chaque tous her bütün""",
    "comparison": """
        more less greater fewer than larger smaller higher lower twice double triple half times compared compare
        mehr weniger plus moins daha""",
    "share": """
        half third quarter fourth fifth percent percentage ratio fraction fractions rate average total remaining
        remainder remains rest altogether combined sum difference each per""",
    "time": """
        day days week weeks month months year years hour hours minute minutes second seconds monday tuesday
        wednesday thursday friday saturday sunday weekend""",
    "money": """
        dollar dollars cent cents cost costs price pay pays paid sell sells sold buy buys bought spend spends
        spent profit earn earns earned salary money""",
    "sequence": """
        then after before next first finally later last begin began until while zuerst dann danach puis ensuite
        sonra önce""",
    "logic": """
        therefore thus hence because implies imply implication argument valid premise premises conclusion follows
        contradiction true statement statements""",
    "fact": "who when where whose wer wann wo qui quand où kim nerede",
    "choice": "which welche welcher quel quelle hangi",
    "thing": "what was quoi que ne",
    "manner": "how why wie warum comment pourquoi nasıl neden explain erkläre explique açıkla",
    "reckoning": "calculate compute determine find evaluate solve estimate berechne calcule hesapla many much",
    "proof": "prove proof proves theorem lemma derive derivation induction show rigorous",
    "mathematics": """
        function functions equation equations polynomial integer integers prime matrix vector probability triangle
        circle angle radius area volume set sets group ring field homomorphism graph real positive complex modulo
        divisible digits sequence root roots coefficient derivative integral limit continuous linear basis
        dimension eigenvalue""",
    "physics": """
        mass velocity speed acceleration force energy momentum charge electric magnetic field current voltage
        resistance temperature pressure gas heat wave frequency wavelength light lens particle electron photon
        kg""",
    "chemistry": """
        mol moles molar reaction acid base equilibrium enthalpy entropy oxidation bond compound compounds solution
        ion ions atom atoms electron electrons ph molecule molecules""",
    "biology": """
        cell cells gene genes protein proteins dna rna enzyme enzymes species organism organisms blood muscle
        nerve patient patients disease symptoms treatment infection diagnosis virus bacteria plant plants""",
    "law": """
        court law plaintiff defendant contract statute liability tort crime criminal police constitutional
        amendment evidence trial jury appeal seller buyer property owner deed murder negligence claim legal
        attorney sued jurisdiction""",
    "economy": """
        price demand supply market firm cost inflation gdp tax interest bond stock bank revenue income monopoly
        elasticity money fiscal monetary investment assets capital""",
    "society": """
        social culture behavior behaviour theory moral ethics ethical society political government policy state
        rights war century empire religion god philosophy psychology""",
    "code": """
        function code python java javascript class array list string tuple dictionary algorithm program loop
        return def import int bool sql api html css implement method""",
    "request": """
        write describe discuss explain suggest create generate make give list compose draft design plan propose
        tell help summarize rewrite edit schreibe écris escribe yaz""",
    "address": "you your yourself act role pretend assistant expert",
    "common": """
        the a an is are of to in on it he she they his her has have had was were be with and or for at from by as
        that this""",
    "command": """
        write implement create calculate find give list return generate compute solve explain compare analyze
        design provide get book search show fetch order set convert translate determine""",
    "joining": "and also additionally then plus furthermore moreover finally lastly next secondly",
}
