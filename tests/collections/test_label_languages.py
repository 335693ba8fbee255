"""Labels as collections write them, in eleven languages. A denial read as COVID would be the worst of all."""

import pytest

from cxr.schema.labels import COVID, NON_COVID
from dataset_script.collections.label_text import DOUBTFUL, read_label

AFFIRMED = {
    "English": """
COVID-19 pneumonia, bilateral; COVID-19 (RT-PCR+); PCR: positive for SARS-CoV-2; Positive (PCR);
SARS-CoV-2 detected by RT-PCR; Confirmed case of COVID-19; laboratory-confirmed COVID-19; COVID-19 severe;
COVID19 mild; COVID-19 pneumonia with pleural effusion; Typical COVID-19 pneumonia; COVID-19 viral pneumonia;
COVID_positive; class_covid; Covid-19 infected; patients with COVID-19; COVID-19 Pos;
SARS CoV-2 infection confirmed; COVID-19 confirmed by PCR; PCR-confirmed COVID-19; COVID-19 (confirmed);
SARS-CoV-2 positive pneumonia; Positive for COVID-19 by RT-PCR; Covid Positive Patient; corona positive;
COVID ICU; COVID-19 (PCR positive); test positive COVID-19; COVID-19 swab positive; novel coronavirus pneumonia;
2019-nCoV infected; severe COVID-19 pneumonia with ARDS; COVID-19 and bacterial superinfection; CXR COVID;
COVID pneumonia right lung; Covid-19 pneumonia confirmed; SARS-CoV-2 (+); COVID +ve patient;
Positive COVID Pneumonia; covid19_positive_pa; Corona (positive); COVID-19 RT PCR Positive; COVID-19 Moderate
""",
    "Spanish": """
un caso de COVID-19; un COVID;
neumonía por COVID-19; COVID-19 positivo por PCR; PCR positiva para SARS-CoV-2; caso confirmado de COVID-19;
infección por SARS-CoV-2; neumonía bilateral por coronavirus; con COVID; paciente positivo COVID;
positivo para COVID-19; prueba positiva COVID; neumonía COVID confirmada; COVID-19 grave;
neumonía intersticial por COVID-19; infectado por COVID-19; caso positivo de COVID; diagnosticado de COVID-19;
neumonía por SARS-CoV-2; ingreso por COVID-19
""",
    "Portuguese": """
pneumonia por COVID-19; caso confirmado de covid; infecção por SARS-CoV-2 confirmada;
RT-PCR positivo para COVID-19; com COVID; covid detectado; teste positivo COVID; pneumonia viral por COVID-19;
paciente com COVID-19; COVID-19 confirmada; diagnóstico de COVID-19; acometido por COVID-19;
doença por coronavírus; COVID-19 moderada
""",
    "French": """
un cas de COVID; un COVID confirmé;
pneumonie à COVID-19; infection à SARS-CoV-2; cas confirmé de COVID-19; test PCR positif au SARS-CoV-2;
pneumopathie à COVID; COVID avéré; atteint de COVID-19; PCR COVID positive; pneumopathie interstitielle COVID-19;
COVID-19 confirmée par PCR; patient COVID; COVID sévère; pneumonie virale à COVID-19; pneumonie COVID positive;
diagnostic de COVID-19; infecté par le SARS-CoV-2; forme grave de COVID-19
""",
    "German": """
COVID-19-Pneumonie; nachgewiesene COVID-19-Infektion; SARS-CoV-2-Infektion; PCR positiv auf SARS-CoV-2;
gesicherte COVID-19-Pneumonie; an COVID-19 erkrankt; SARS-CoV-2 nachgewiesen; mit COVID;
COVID-19 bestätigt (PCR); PCR-bestätigte COVID-19-Pneumonie; schwere COVID-19; COVID-19-Patienten;
Coronavirus-Infektion; COVID-Erkrankung; COVID-19-Infektion; COVID-Patient; Corona-Pneumonie
""",
    "Italian": """
un caso di COVID-19;
polmonite da COVID-19; tampone positivo per SARS-CoV-2; caso confermato di COVID-19; infezione da SARS-CoV-2;
COVID accertato; positivo al COVID; polmonite interstiziale da COVID-19; polmonite COVID; COVID-19 confermata;
tampone positivo COVID; paziente COVID; polmonite bilaterale da COVID; diagnosi di COVID-19;
malattia da COVID-19; affetto da COVID-19; ricoverato per COVID-19
""",
    "Turkish": """
COVID-19 pnömonisi; PCR pozitif COVID-19; COVID hastası; kesin COVID-19; COVID-19 tanılı; COVID-19 doğrulandı;
COVID pozitif hasta; COVID-19 vakası; PCR ile doğrulanmış COVID; COVID zatürresi; koronavirüs pnömonisi;
COVID-19 akciğer tutulumu; COVID tanısı; COVID-19 enfeksiyonu; COVID-19'lu hasta; koronavirüs hastası
""",
    "Russian": """
COVID-19 подтвержденный; пневмония COVID-19; коронавирусная пневмония; подтверждённый COVID-19;
ПЦР положительный на COVID-19; вирусная пневмония, вызванная SARS-CoV-2; больные ковидом; COVID положительные;
подтвержден COVID-19; ковидная пневмония; COVID-19 средней тяжести; пациент с COVID-19;
пневмония, ассоциированная с COVID-19; диагноз COVID-19; больной COVID-19; заболевание COVID-19;
инфицирован SARS-CoV-2; COVID-19, вирус идентифицирован
""",
    "Chinese": """
新冠肺炎确诊; 新冠核酸阳性; 确诊新冠肺炎; 新型冠状病毒感染; 新冠病人; 新冠患者; 新冠肺炎患者; 冠狀病毒陽性;
新冠肺炎確診; 核酸檢測陽性 新冠; COVID-19阳性; 新冠肺炎重症; 新冠肺炎轻症; 新冠确诊病例; COVID-19患者;
新冠核酸检测阳性; 感染新冠; 新冠胸片; 新冠肺炎X光; 新冠感染; 新型冠状病毒感染者; 确诊病例 新冠; 新冠病毒阳性;
新冠肺炎（普通型）; 新冠阳性患者; 无症状新冠
""",
    "Japanese": """
新型コロナウイルス陽性; 新型コロナ肺炎; コロナ感染; COVID-19肺炎; コロナ陽性患者; 新型コロナウイルス肺炎;
コロナウイルス感染症; COVID-19陽性; コロナあり; コロナ陽性; 新型コロナウイルス感染症 陽性; PCR陽性 コロナ;
コロナ重症; 新型コロナ感染者; コロナ患者; 新型コロナ 確定; 新型コロナウイルス感染; コロナ確診; COVID-19 確定例;
コロナウイルス肺炎; コロナ中等症; コロナ無症状
""",
    "Korean": """
코로나19 확진; 코로나 양성; 코로나19 폐렴; 코로나 확진자; 코로나바이러스감염증-19; 코로나19 환자;
코로나 확진 환자; 코로나 중증
""",
}
DENIED_OR_OTHER = {
    "English": """
un-COVID; uncovid; unCOVID; un_covid;
COVID-19 negative (PCR); PCR negative; SARS-CoV-2 not detected by RT-PCR; RT-PCR neg; Negative for SARS-CoV-2;
no radiological signs of COVID-19; COVID-19 was excluded by PCR; non-COVID pneumonia;
Non COVID-19 viral pneumonia; pneumonia, not COVID; Pneumonia (non-COVID-19); other pneumonia (COVID excluded);
normal, no COVID; COVID-19 screening negative; COVID swab negative; healthy controls; Bacterial Pneumonia;
Lung Opacity; community-acquired pneumonia; COVID-19: absent; COVID: false; tuberculosis; not infected;
uninfected; COVID-19-free; never had COVID-19; COVID-19 not present; not COVID-19; No COVID-19 infection;
PCR for SARS-CoV-2: negative; COVID-19 test: negative; SARS-CoV-2 RT-PCR negative; COVID-19 antigen negative;
COVID-19 (negative); non_COVID_pneumonia; other (non-COVID); without SARS-CoV-2; pneumonia without COVID;
COVID negative pneumonia; CT and PCR negative for COVID; Not infected with COVID-19; ruled out for COVID;
repeatedly negative; Viral pneumonia (not COVID-19); influenza pneumonia; No signs of COVID pneumonia;
Absence of COVID-19; COVID-19 has been ruled out; COVID-19, excluded by PCR; asymptomatic, PCR negative;
no covid detected; COVID not identified; SARS-CoV-2: Not Detected; COVID-19 ruled-out; covid absent;
not suggestive of COVID; no evidence for COVID-19; COVID-19 was not found; tested negative; non Covid;
NonCOVID-19; No-COVID; covid=false; No COVID-19 pneumonia seen; nothing suggestive of COVID; COVID-19 – negative;
negative (COVID); cleared of COVID; not a COVID case; COVID denied; without evidence of COVID-19; is not COVID;
free of COVID-19
""",
    "Spanish": """
no COVID; COVID-19 negativo; PCR negativa para SARS-CoV-2; COVID-19 descartado; descartado COVID;
sin signos de COVID-19; sin neumonía COVID; no presenta COVID-19; neumonía no COVID; sano; normal;
neumonía bacteriana; negativo a COVID; COVID no detectado; pacientes sanos; no infectado; neumonía sin COVID;
prueba negativa; hisopado negativo; PCR negativo; COVID (-); COVID: no; no se detectó SARS-CoV-2;
no compatible con COVID; neumonía adquirida en la comunidad; tuberculosis; controles sanos; negativo en PCR;
ausencia de COVID-19; sin evidencia de COVID-19; COVID fue descartado; se descartó COVID; COVID ausente;
nada de COVID; no tiene COVID; no hay COVID; no hay signos de COVID; resultado negativo COVID; negativa COVID;
no es COVID; ni COVID ni gripe; paciente sin COVID; test COVID negativo
""",
    "Portuguese": """
não COVID; sem COVID; COVID-19 negativo; RT-PCR negativo para COVID; descartada COVID-19; pneumonia não COVID;
sem evidência de COVID-19; COVID não detectado; normal; saudável; pneumonia bacteriana; não infectado;
negativo para SARS-CoV-2; teste negativo; ausência de COVID; COVID excluído; COVID ausente; pulmão normal;
controle; tuberculose; COVID-19 descartado; exame negativo; não há sinais de COVID; não é COVID;
sem sinais de COVID; não tem COVID; COVID foi descartado; resultado negativo; livre de COVID;
não apresenta COVID; descarta COVID; nega COVID
""",
    "French": """
pas de COVID; absence de COVID-19; COVID négatif; COVID-19 exclu; test PCR négatif; pneumonie non COVID;
pas de signe de pneumonie COVID; COVID non détecté; sans COVID-19; sain; poumons normaux; pneumonie bactérienne;
COVID éliminé; COVID infirmé; COVID-19 non confirmée par PCR négative; négatif pour COVID-19; témoins sains;
PCR négative; tuberculose; non infecté; patient non COVID; aucun signe de COVID-19; pas d'infection à SARS-CoV-2;
COVID écarté; pas de pneumonie COVID; n'a pas le COVID; COVID non retrouvé; résultat négatif;
pas d'argument en faveur d'un COVID; hors COVID; ce n'est pas un COVID; indemne de COVID; COVID absent;
test COVID négatif; non atteint de COVID
""",
    "German": """
kein COVID; COVID-19 negativ; PCR negativ; COVID-19 ausgeschlossen; keine COVID-19-Pneumonie;
ohne Hinweis auf COVID-19; Pneumonie, kein COVID; nicht COVID; gesund; unauffälliger Befund;
bakterielle Pneumonie; SARS-CoV-2 nicht nachgewiesen; kein Anhalt für COVID-19; ohne COVID-19; COVID verneint;
COVID-19 unwahrscheinlich; Test negativ; negativ getestet; gesunde Kontrollen; Tuberkulose;
keine Infektion mit SARS-CoV-2; COVID nicht nachweisbar; Pneumonie ohne COVID; nicht infiziert;
kein Nachweis von COVID-19; Abstrich negativ; SARS-CoV-2 negativ; keine Zeichen einer COVID-Pneumonie;
kein Verdacht auf COVID; COVID negativ getestet; COVID wurde ausgeschlossen; frei von COVID;
nicht an COVID erkrankt; keine Hinweise für COVID; COVID liegt nicht vor; Nicht-COVID; Non-COVID-Pneumonie;
COVID nicht gefunden
""",
    "Italian": """
non COVID; COVID negativo; tampone negativo; assenza di COVID-19; senza COVID; COVID-19 escluso;
polmonite non COVID; polmonite batterica; sano; nessun segno di COVID-19; COVID non rilevato; nessuna polmonite;
COVID assente; tampone negativo per COVID; nessuna evidenza di COVID; polmonite non da COVID; controlli sani;
tubercolosi; negativo al COVID; esclusa infezione da SARS-CoV-2; torace normale; non ha COVID; non è COVID;
non affetto da COVID; COVID non presente; COVID-free; COVID è stato escluso; si esclude COVID; no COVID;
nessun COVID; privo di COVID; esito negativo; COVID test negativo
""",
    "Turkish": """
COVID değil; COVID negatif; PCR negatif; COVID-19 saptanmadı; COVID olmayan pnömoni; COVID dışı; sağlıklı;
normal; bakteriyel pnömoni; COVID-19 yok; COVID bulgusu yok; COVID-19 dışlandı; test negatif;
COVID testi negatif; tüberküloz; COVID değil pnömoni; sağlıklı kontrol; PCR negatif pnömoni; koronavirüs negatif;
COVID bulunmadı; COVID görülmedi; COVID lehine bulgu yok; COVID değildir; COVID tespit edilmedi;
COVID negatif hasta; COVID-19 saptanmayan; COVID yoktur
""",
    "Russian": """
не COVID; нет COVID; COVID отрицательный; COVID-19 исключен; ПЦР отрицательный; без COVID; пневмония не COVID;
здоровые; норма; бактериальная пневмония; COVID-19 не обнаружен; COVID не подтвержден; отсутствие COVID;
без признаков COVID-19; нет данных за COVID-19; признаков COVID-19 нет; без патологии; тест отрицательный;
COVID-19: отрицательно; COVID не выявлен; туберкулёз; здоровые лёгкие; контрольная группа;
ПЦР на COVID отрицательный; COVID нет; внебольничная пневмония; не ковид; COVID-19 не подтверждён;
отрицательный результат ПЦР; COVID отсутствует; не является COVID; COVID не обнаружено; COVID отвергнут;
данных за COVID нет; COVID исключён; не болен COVID; тест на COVID отрицательный; COVID-отрицательный;
COVID минус; ковид не найден
""",
    "Chinese": """
新冠阴性; 非新冠肺炎; 排除新冠; 核酸阴性; 未感染新冠; 正常; 健康; 细菌性肺炎; 普通肺炎; 无新冠; 不是新冠;
新冠肺炎阴性; 未检出新冠病毒; 非COVID-19; 新冠陰性; 細菌性肺炎; 肺結核; 未见异常; 其他肺炎; 社区获得性肺炎;
新冠检测阴性; 新冠核酸阴性; 核酸检测阴性; 无COVID-19; 非新冠病毒性肺炎; 健康对照; 新冠已排除; 无异常; 肺结核;
未患新冠; 没有新冠; 新冠 阴性 正常; 正常胸片; 其他; 甲流; 非COVID; 新冠未检出; 未发现新冠; 无新冠病毒; 并非新冠;
不属于新冠; 新冠否认; 否认新冠; 新冠检测为阴性; 新冠（-）; 新冠除外; 无新冠感染; 未见新冠肺炎
""",
    "Japanese": """
コロナ陰性; 新型コロナ陰性; 非コロナ; コロナではない; コロナなし; 正常; 健康; 細菌性肺炎; コロナ否定; 異常なし;
新型コロナウイルス陰性; COVID-19陰性; 健常; 未感染; コロナ検出されず; 非COVID肺炎; 新型コロナではない肺炎;
コロナ検査陰性; コロナ感染なし; 新型コロナ感染なし; コロナ以外; コロナ除外; PCR陰性; 肺結核; コロナ以外の肺炎;
非感染; コロナ無し; 正常胸部X線; 所見なし; コロナでない; コロナは陰性; コロナ感染していない; 新型コロナ検査 陰性;
コロナ罹患なし; コロナを認めない; コロナの所見なし; コロナ肺炎なし; コロナ（-）; 非新型コロナ; コロナ未感染;
コロナ否認
""",
    "Korean": """
코로나 음성; 비코로나; 정상; 세균성 폐렴; 코로나 아님; 코로나 없음; 코로나19 음성; 코로나 검사 음성;
코로나가 아님; 비감염; 정상 흉부; 결핵; PCR 음성; 건강; 코로나 미감염
""",
}
DOUBTED = {
    "English": """
suspected COVID-19; COVID-19 suspect; probable COVID; COVID-19?; ?COVID; query COVID-19; r/o COVID;
rule out COVID-19; possible COVID-19 pneumonia; post-COVID-19; post COVID fibrosis; recovered from COVID-19;
history of COVID-19; COVID-19 awaiting PCR; COVID suspected, PCR pending; cannot rule out COVID-19;
not excluded COVID-19; COVID-19 likely; indeterminate for COVID-19; Indeterminate Appearance;
Atypical Appearance; presumptive COVID-19; PUI for COVID-19; COVID contact; clinically diagnosed COVID-19?;
long COVID; COVID-19 exposure; evaluate for COVID-19; COVID-19 vs influenza; COVID-19 or other viral pneumonia;
differential: COVID-19; concern for COVID-19; COVID follow-up; COVID-19 vaccinated; COVID-19 suspicion;
COVID-19, unconfirmed; suspicious for COVID-19; possible viral pneumonia, COVID?; COVID-19 not confirmed;
Suspected (PCR negative, CT positive); convalescent COVID-19; after COVID; s/p COVID-19; status post COVID-19;
under investigation for COVID; COVID-19 probable case; COVID-19 cannot be excluded; COVID - uncertain;
consistent with COVID-19; suggestive of COVID; equivocal for COVID; maybe COVID; unclear COVID;
presumed COVID-19; previously positive COVID; COVID-19 in differential; ddx COVID; query covid pneumonia;
? COVID-19 pneumonia; COVID status unknown; COVID result pending; COVID exposure; COVID contact tracing;
potential COVID; COVID-19 not ruled out; COVID can't be excluded; could be COVID; may be COVID; might be COVID;
highly suspicious for COVID-19; worrisome for COVID; COVID-19 under evaluation; recent COVID; remote COVID;
resolving COVID; COVID sequela; residual COVID changes; COVID recovered; prior COVID infection
""",
    "Spanish": """
sospecha de COVID-19; caso sospechoso COVID; posible COVID; probable COVID; a descartar COVID; COVID a descartar;
post-COVID; antecedente de COVID-19; no se descarta COVID; COVID sospechoso; compatible con COVID-19;
en estudio por COVID; pendiente de PCR COVID; secuelas de COVID; contacto COVID; no se puede descartar COVID-19;
sospecha COVID; neumonía sospechosa de COVID; caso probable; COVID en remisión; convaleciente de COVID;
COVID previo; duda COVID; COVID no confirmado; sugestivo de COVID; post COVID-19; alta por COVID;
COVID en estudio; COVID pasado; contacto de COVID; hallazgos compatibles con COVID; impresiona COVID;
COVID resuelto; descartar COVID; probable neumonía COVID; COVID dudoso; vacunado COVID; prueba de COVID
""",
    "Portuguese": """
suspeita de COVID; caso suspeito; possível COVID; provável COVID-19; pós-COVID; COVID a esclarecer;
compatível com COVID-19; não se pode excluir COVID; histórico de COVID; sequelas de COVID;
caso suspeito de COVID; COVID não confirmado; pós COVID; síndrome pós-COVID; recuperado de COVID;
em investigação para COVID; sugestivo de COVID-19; COVID prévio; suspeita clínica de COVID; COVID em estudo;
contato COVID; achados compatíveis com COVID; COVID curado; a confirmar COVID; vacinado COVID;
provável pneumonia COVID; COVID anterior; descartar COVID?
""",
    "French": """
suspicion de COVID; suspect COVID; COVID suspecté; COVID possible; COVID probable; post-COVID; COVID à exclure;
compatible avec COVID-19; antécédent de COVID; ne peut exclure COVID; COVID en cours de bilan;
séquelles de COVID; évocateur de COVID-19; aspect évocateur de COVID; forte suspicion de COVID; doute sur COVID;
COVID non confirmé; COVID guéri; ancien COVID; en attente de PCR COVID; probable COVID-19; COVID ?; COVID ancien;
après COVID; COVID à confirmer; cas contact COVID; image compatible avec un COVID; ATCD COVID; COVID résolu;
COVID fortement suspecté; possible pneumonie à COVID; vacciné COVID
""",
    "German": """
Verdacht auf COVID-19; V.a. COVID; COVID-Verdacht; möglicherweise COVID; COVID nicht ausgeschlossen;
Zustand nach COVID; Z.n. COVID-19; wahrscheinlich COVID; fraglich COVID; COVID nicht auszuschließen;
vereinbar mit COVID-19; Ausschluss COVID; nach COVID; COVID-19 vermutet; Post-COVID-Syndrom; DD COVID-19;
Kontakt mit COVID; COVID unklar; Verdachtsfall COVID; COVID nicht bestätigt; COVID-19 genesen; Long COVID;
COVID möglich; COVID-verdächtig; DD: COVID-19; Ausschluss COVID-19; a.e. COVID; stattgehabte COVID-Infektion;
COVID wahrscheinlich; Z. n. COVID; fragliche COVID-Pneumonie; passend zu COVID; COVID?, Influenza?;
Verdacht COVID; COVID durchgemacht; Kontaktperson COVID; geimpft COVID; COVID abgelaufen; COVID in Abklärung
""",
    "Italian": """
sospetto COVID; COVID sospetto; possibile COVID; probabile COVID-19; post-COVID; da escludere COVID;
compatibile con COVID-19; pregresso COVID; COVID dubbio; esiti di COVID; non si può escludere COVID;
in attesa di tampone COVID; COVID non confermato; sospetta polmonite COVID; COVID pregresso; guarito da COVID;
quadro compatibile con COVID; long COVID; COVID in dubbio; COVID da confermare; esclusione COVID;
COVID da escludere; verosimile COVID; suggestivo per COVID; COVID in corso di accertamento; contatto COVID;
COVID recente; reperti compatibili con COVID; vaccinato COVID
""",
    "Turkish": """
şüpheli COVID; COVID şüphesi; olası COVID; muhtemel COVID-19; COVID dışlanamaz; COVID sonrası; geçirilmiş COVID;
COVID ile uyumlu; COVID-19 ön tanısı; COVID olabilir; COVID şüpheli pnömoni; COVID geçirmiş; COVID kuşkusu;
COVID düşünülen; iyileşmiş COVID; COVID ekarte edilemedi; COVID açısından şüpheli; COVID ayırıcı tanı;
temaslı COVID; COVID öyküsü; COVID lehine
""",
    "Russian": """
подозрение на COVID-19; вероятный COVID; возможно COVID; COVID под вопросом; не исключен COVID; после COVID;
перенесенный COVID; COVID в анамнезе; исключить COVID; COVID-19?; нельзя исключить COVID; постковид;
подозрение на коронавирус; возможен COVID; COVID?; вероятная ковидная пневмония; переболевший COVID;
долгий ковид; COVID под наблюдением; с подозрением на COVID; контакт с COVID; остаточные изменения после COVID;
не исключается COVID; COVID вероятен; COVID в прошлом; выздоровел от COVID; подозревается COVID;
вакцинирован COVID
""",
    "Chinese": """
疑似新冠; 新冠疑似病例; 可能新冠; 新冠待排; 不能排除新冠; 新冠康复; 既往新冠; 新冠后遗症; 密切接触者 新冠;
疑似新冠肺炎; 新冠待查; 考虑新冠; 新冠出院; 新冠可疑; 新冠?; 新冠恢复期; 新冠治愈后; 新冠密接; 新冠可能;
待排除新冠; 高度疑似新冠; 新冠疑似; 新冠复查; 新冠痊愈; 新冠不除外; 不除外新冠; 新冠肺炎待排; 疑新冠;
新冠可能性大; 新冠后; 曾患新冠; 新冠接触史; 新冠病史; 可疑新冠肺炎; 新冠检测; 未确诊新冠
""",
    "Japanese": """
コロナ疑い; 新型コロナ疑い; コロナの可能性; コロナ後遺症; コロナ否定できない; コロナ既往; コロナ感染後;
新型コロナの疑い; COVID-19疑い; コロナ濃厚接触者; コロナの疑い; コロナ?; コロナ治癒後; コロナ回復; コロナ疑似;
コロナかもしれない; コロナ退院後; コロナの疑いあり; コロナ接触; コロナ鑑別; コロナ疑; コロナ否定できず;
コロナ既往あり; コロナ後; コロナの既往; コロナ可能性; 元コロナ; コロナ除外できない; コロナ要検査;
コロナワクチン接種後; コロナ検査
""",
    "Korean": """
코로나 의심; 코로나 후유증; 코로나 가능성; 코로나 완치; 코로나?; 코로나 의심 환자; 코로나 회복; 코로나 접촉자;
코로나 가능성 있음
""",
}


def texts(listed: str) -> list[str]:
    return [text.strip() for text in " ".join(listed.split()).split(";")]


@pytest.mark.parametrize("language", AFFIRMED)
def test_what_affirms_is_covid(language: str):
    assert [text for text in texts(AFFIRMED[language]) if read_label(text) != (COVID, None)] == []


@pytest.mark.parametrize("language", DENIED_OR_OTHER)
def test_what_denies_or_names_another_finding_is_non_covid(language: str):
    assert [text for text in texts(DENIED_OR_OTHER[language]) if read_label(text) != (NON_COVID, None)] == []


@pytest.mark.parametrize("language", DOUBTED)
def test_what_doubts_is_no_class(language: str):
    assert [text for text in texts(DOUBTED[language]) if read_label(text) != (None, DOUBTFUL)] == []
