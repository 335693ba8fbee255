"""The words that class names, findings and test results are written with, by what they say about COVID-19.

One entry a line or, within a line, separated by semicolons; an entry may be several words. Case, accents, punctuation
and the spelling of compounds (`Non-COVID`, `noncovid`, `NonCovid`) do not matter. Languages are those that public
collections of chest radiographs are written in: English, Spanish, Portuguese, French, Italian, German, Dutch, Turkish,
Polish, Russian, Chinese, Japanese, Korean, Indonesian, Scandinavian.
"""

COVID = """
covid; covid 19; covid 2019; covid-19 disease; covid-19 virus; covid 19 infection; cov 19; cvd 19; sars cov 2
sars cov2; sarscov 2; sars cov 2 virus; ncov; ncov 2019; 2019 ncov; n cov; 2019 n cov; hcov 19; coronavirus
corona virus; corona; novel coronavirus; coronavirus disease; corona virus disease; novel corona virus
covid 19 virus identified; korona; новый коронавирус; новая коронавирусная инфекция; коронавирусная инфекция
coronavirus disease 2019; 2019 novel coronavirus; novel coronavirus 2019; coronavirus 2019; covidx; коронавирус
коронавируса; коронавирусом; коронавирусная; коронавирусной; ковида; ковидом; ковид; ковидная; ковид 19; koronavirus
koronawirus; koronavirüs; covit; covit 19; coronavirusinfektion; c 19
"""
"""Names of the disease and of its virus."""

AFFIRMATION = """
positive; pos; positives; confirmed; detected; diagnosed; proven; reactive; yes; true; present; laboratory confirmed
positivo; positiva; positivos; positivas; positif; positiv; positief; pozitif; dodatni; pozytywny; confirmado
confirmada; confirme; confirmee; confermato; bestätigt; nachgewiesen; bevestigd; doğrulanmış; potwierdzony; detectado
detectada; detecte; rilevato; vastgesteld; wykryto; si; oui; ja; sim; evet; tak; да; положительный; положительная
подтвержден; подтверждено; выявлен; выявлено; terkonfirmasi; terdeteksi; bekræftet; påvist; påvisad; bekräftad; avere
averee; atteint; atteints; atteint de; atteints de; atteinte de; gesichert; gesicherte; nachgewiesene; nachgewiesener
erkrankt; erkrankte; accertato; accertata; kesin; tanılı; doğrulandı; подтвержденный; подтвержденная; подтвержденные
положительные; positivo al; positivo a; positivo per; positiva per; positiva para; positiv auf; positiv für
positif au; infectado; infectada; infectado por; infectados; infetto; infetti; infecte; infectee; infectes; infiziert
confermata; confermati; bestätigte; bestätigter; confirmados; confirmadas; confirmes; подтверждена; diagnosticado
diagnosticado de; diagnosticada de; diagnosticado con; diagnostico de; diagnostic de; diagnosi di; affetto; affetto da
affetti da; acometido; acometido por; ingreso por; ricoverato per; tanısı; tanısı alan; диагноз; инфицирован
идентифицирован; вирус идентифицирован; positiver
"""

RESULT_POSITIVE = """
positiver; positive; pos; positives; detected; reactive; positivo; positiva; positivos; positivas; positif; positiv
positief; pozitif; dodatni; pozytywny; положительный; положительная
"""
"""What of AFFIRMATION is a test result, so that it names the class even where it stands alone."""

DENIAL = """
undetectable; not detectable; non detectable; negativer; negatives; negative; neg; negativity
ruled out; excluded; not detected; undetected; non detected; nondetected; absent
no detected; not found; not seen; not present; not identified; not shown; not evident; not visible; not diagnosed
unlikely; not likely; nonreactive; non reactive; false; denied; denies; rejected; discarded; disproved; disproven
was ruled out; has been ruled out; been excluded; free; negativo; negativa; negativos; negativas; negatif; negatifs
negativ; negatief; ujemny; ujemna; negatywny; descartado; descartada; descartados; descartadas; excluido; excluida
no detectado; no detectada; no se detecta; ausente; nao detectado; nao detectada; não detectável; afastado; afastada
improvavel; improbable; poco probable; pouco provavel; exclu; exclue; ecarte; ecartee; non detecte; non detectee
absente; peu probable; improbabile; escluso; esclusa; assente; non rilevato; ausgeschlossen; nicht nachgewiesen
unwahrscheinlich; uitgesloten; niet aangetoond; onwaarschijnlijk; yok; değil; saptanmadı; dışlandı; wykluczono
wykluczony; nie wykryto; brak; nieobecny; отрицательный; отрицательная; отрицательно; отриц; исключен; исключено
исключена; не выявлен; не выявлено; нет; tidak terdeteksi; utelukket; udelukket; uteslutet; ikke påvist; ej påvisad
nicht nachweisbar; se descarta; негативный; не обнаружен; не обнаружено; niewykryty; tespit edilmedi; inte påvisad
not infected; non infected; uninfected; noninfected; no infectado; no infectada; no infectados; nao infectado
nao infectada; non infecte; non infectee; non infetto; nicht infiziert; niezakażony; enfekte değil; не инфицирован
незараженные; elimine; eliminee; infirme; infirmee; verneint; olmayan; dışı; отрицательные; не подтверждено
не подтвержден; не подтвердился; bulunmadı; görülmedi; negativ getestet; nicht gesehen; denies having; fue descartado
fue descartada; foi descartado; foi descartada; se descarto; non retrouve; non retrouvee; liegt nicht vor
nicht gefunden; wurde ausgeschlossen; è stato escluso; è stata esclusa; si esclude; non presente; değildir
saptanmayan; yoktur; отсутствует; отвергнут; не найден; не найдено; минус; esito negativo; was not found
was not detected; was not seen; was not identified; is not found; is not detected; is not seen; is not present
is not identified; has not been detected; have not been detected; were not found; were not detected; not been detected
"""
"""Denials that deny what stands before or behind them."""

RESULT_NEGATIVE = """
undetectable; not detectable; non detectable; negativer
negative; neg; negatives; not detected; undetected; non detected; nonreactive; non reactive; negativo; negativa
negativos; negativas; negatif; negativ; negatief; ujemny; ujemna; negatywny; no detectado; nao detectado; non detecte
nicht nachgewiesen; отрицательный; отрицательная; отриц; not infected; non infected; uninfected; noninfected
no infectado; no infectada; no infectados; nao infectado; nao infectada; non infecte; non infectee; non infetto
nicht infiziert; niezakażony; enfekte değil; не инфицирован; незараженные; отрицательные; negativ getestet
esito negativo
"""
"""What of DENIAL is a test result, so that it names the class even where it stands alone."""

DENIAL_BEFORE = """
no; not; non; nor; neither; never; nil; without; w o; negative for; no evidence of; no evidence; no sign of
no signs of; no signs; no sign; absence of; lack of; free of; free from; excludes; excluding; exclude
no indication of; no suggestion of; no features of; no findings of; no finding of; other than; rules out; rather than
instead of; minus; anti; never had; isn t; is not; wasn t; was not; does not have; doesn t have; has no; had no
did not have; sin; sin evidencia de; sin signos de; ausencia de; negativo para; negativa para; descarta; tampoco; ni
nunca; excluye; sem; nao; sem evidencia de; sem sinais de; nem; sans; pas de; pas; aucun; aucune; absence de
negatif pour; sans signe de; sans signes de; hors; senza; nessun; nessuna; nessuno; assenza di; negativo per
senza segni di; esclude; kein; keine; keinen; keiner; keinerlei; nicht; ohne; kein hinweis auf; keine zeichen; nein
negativ für; ausschluss von; geen; niet; zonder; geen tekenen van; nee; negatief voor; olmayan; dışı; hayır
bulgusu yok; bez; nie; brak cech; wykluczenie; не; без; нет признаков; без признаков; отсутствие; tidak; bukan; tanpa
ingen; intet; ikke; inte; ej; utan; uten; uden; kein hinweis für; keine hinweise auf; keine hinweise für
kein anhalt für; keine anzeichen für; absence de signe de; absence de signes de; pas de signe de; pas de signes de
aucun signe de; nessun segno di; sin hallazgos de; sem achados de; geen aanwijzingen voor; brak objawow
brak dowodow na; no radiographic evidence of; no radiological evidence of; no imaging evidence of; no cxr evidence of
kein nachweis von; kein nachweis; keine evidenz für; no se observa; no se observan; no se evidencia
pas d argument pour; pas d arguments pour; non si osservano segni di; nessuna evidenza di; nie stwierdzono
не обнаружено признаков; no radiological signs of; no radiographic signs of; no imaging signs of; no presenta
no presentan; negativo al; negativo a; negativ auf; negatif au; ohne hinweis auf; ohne hinweise auf; ohne hinweis für
ohne anhalt für; ohne zeichen von; ohne nachweis von; sans argument pour; sans arguments pour; senza evidenza di
sem indicios de; нет данных за; данных за; не выявлено признаков; no se detecto; no se detectan; no compatible con
no sugestivo de; nao compativel com; non compatible avec; pas d; pas une; non compatibile con; nicht vereinbar mit
uyumlu değil; esclusa; nothing suggestive of; not suggestive of; cleared of; not consistent with; no suspicion of
nada de; no tiene; no hay; no hay signos de; no hay evidencia de; no hay datos de; no es; no son; nao ha
nao ha sinais de; nao ha evidencia de; nao tem; livre de; nao apresenta; nega; nao e; n a pas le; n a pas de; n a pas
ce n est pas; ce n est pas un; ce n est pas une; indemne de; pas d argument en faveur de
pas d argument en faveur d un; keine zeichen einer; kein zeichen einer; keine anzeichen einer; kein verdacht auf
kein hinweis auf eine; frei von; nicht an; non ha; non e; non affetto da; privo di; не является; не болен; не болел
lehine bulgu yok; nessun sospetto di; sin sospecha de; sem suspeita de; pas de suspicion de; нет подозрений на
нет подозрения на; geen verdenking op
"""
"""Denials that deny what stands behind them, or, at the end, what stands before."""

WITHOUT = """
without; w o; sin; sem; sans; senza; ohne; zonder; bez; без; tanpa; utan; uten; uden; absence of; ausencia de
absence de; no evidence of; no evidence; no sign of; no signs of; sin evidencia de; sin signos de; sem evidencia de
free of
"""
"""What of DENIAL_BEFORE joins a denied finding to what stands before: `COVID-19 without effusion` is COVID-19."""

DOUBT = """
suspected; suspect; suspicious; suspicion; suspicion of; suspicious for; suspicious of; suspects; high suspicion
low suspicion; possible; possibly; probable; probably; likely; presumed; presumptive; presumptively; presumably; maybe
perhaps; may; might; could; could be; query; queried; questionable; question; question of; equivocal; indeterminate
atypical appearance; atypical for; susp; poss; prob; pre; before; indeterminate appearance; uncertain; unclear
doubtful; borderline; ambiguous; rule out; r o; to rule out; to exclude; to be ruled out; to be excluded; be ruled out
be excluded; needs ruling out; to be rejected; needs to be excluded; needs to be ruled out; should be excluded
should be ruled out; must be excluded; must be ruled out; auszuschliessen; nog uit te sluiten; исключить; wykluczyć
do wykluczenia; dışlanmalı; por descartar; por excluir; rule in; cannot exclude; can not exclude; cannot rule out
can not rule out; can t exclude; can t rule out; not excluded; not ruled out; cannot be excluded; can not be excluded
cannot be ruled out; can not be ruled out; could not be excluded; could not be ruled out; not been excluded
not been ruled out; not exclude; not yet excluded; not unlikely; not negative; non negative; not positive or negative
unconfirmed; not confirmed; not proven; unproven; not tested; untested; not yet confirmed; to be confirmed; tbc; pui
under investigation; person under investigation; under observation; awaiting; awaiting result; awaiting results
awaiting pcr; await; weak; differential; differential diagnosis; ddx; dd; d d; versus; vs; consider; considered
concern; concern for; concerning for; concerning; worrisome; worrisome for; compatible with; consistent with
suggestive of; suggesting; suggests; suggestive; suspicious appearance; in keeping with; could represent
may represent; like; mimic; mimics; similar to; resembling; pseudo; if; either; or not; weakly; contact; contact with
exposure; exposed; exposure to; screening; screen; screened; test; tested; testing; tested for; swab; evaluate for
evaluation for; eval for; assess for; check for; concern of; vaccine; vaccinated; vaccination; risk; risk of; fear of
clinical suspicion; history of; history; h o; hx; hx of; past; past history; previous; previously; prior; former
formerly; post; after; resolved; recovered; recovering; recovery; convalescent; cured; discharged; long; sequelae
sequela; status post; s p; no longer; formerly positive; once; old; late; ex; survivor; survivors; follow up; followup
healed; remote; sospecha; sospecha de; sospechoso; sospechosa; sospechosos; posible; posibles; probables; dudoso
dudosa; no descartado; no descartada; no se descarta; no se puede descartar; no confirmado; sin confirmar
por confirmar; descartar; a descartar; compatible con; sugestivo de; sugestiva de; antecedente; antecedente de
antecedentes de; antecedentes; previo; previa; pasado; curado; tras; contacto; secuelas; indeterminado; indeterminada
suspeita; suspeita de; suspeito; suspeitos; possivel; provavel; duvidoso; nao confirmado; nao descartado; a esclarecer
historico de; anterior; compativel com; sugestivo; sugestiva; recuperado; suspecte; suspectee; suspicion de; eventuel
eventuelle; douteux; douteuse; non confirme; non exclu; a exclure; antecedent de; antecedents de; ancien; guéri
compatible avec; évocateur de; evocatrice de; apres; sospetto; sospetta; sospetti; possibile; probabile; dubbio
dubbia; non confermato; non escluso; da escludere; pregresso; pregressa; compatibile con; suggestivo di; guarito; dopo
verdacht; verdacht auf; v a; va; verdächtig; verdaechtig; möglich; moeglich; mögliche; wahrscheinlich; fraglich
fragliche; unklar; nicht ausgeschlossen; nicht auszuschliessen; ausschluss; z n; zustand nach; anamnese; vereinbar mit
nach; genesen; nicht bestätigt; verdacht op; verdenking; verdenking op; mogelijk; mogelijke; waarschijnlijk
waarschijnlijke; twijfelachtig; status na; niet uitgesloten; niet bevestigd; na; eerder; doorgemaakt; şüpheli; süpheli
şüphesi; olası; muhtemel; doğrulanmamış; geçirilmiş; sonrası; podejrzenie; podejrzany; możliwy; możliwe; prawdopodobny
prawdopodobnie; niepewny; niepotwierdzony; nie wykluczono; przebyty; po; подозрение; подозрение на; возможно
возможный; возможная; вероятно; вероятный; вероятная; сомнительный; не исключен; не исключено; неясно; перенесенный
после; в анамнезе; suspek; dugaan; mungkin; kemungkinan; riwayat; pasca; mistanke; mistanke om; mistænkt; misstänkt
misstanke; mulig; möjlig; sannolik; sannsynlig; muligvis; tidligere; tidigare; efter; hinweis auf; hinweise auf
hinweise für; anzeichen für; zeichen einer; signes de; signe de; segni di; sinais de; signos de; hallazgos de
achados de; aanwijzingen voor; objawy; en estudio; en estudio por; pendiente de; nao se pode excluir; nao se exclui
sequelas; sequelas de; sequelle; sequelles; sequelles de; ne peut exclure; ne peut pas exclure; ne peut etre exclu
ne peut etre exclue; en cours; en cours de bilan; möglicherweise; vermutet; vermutlich; vermutete; kontakt
kontakt mit; kontaktperson; esiti; esiti di; non si puo escludere; non si esclude; in attesa di; dışlanamaz
dışlanamadı; uyumlu; ile uyumlu; ön tanı; ön tanısı; tampone; tampone di; hisopado; prueba; prueba de; teste; teste de
abstrich; тест; тест на; мазок; мазок на; под вопросом; нельзя исключить; не исключается; постковид; постковидный
подозрительный; подозрительные; en remision; remision; convaleciente; convaleciente de; duda; duda de; alta por; alta
em investigacao; em investigacao para; suspeita clinica de; sospecha clinica de; suspicion clinique de
forte suspicion de; doute; doute sur; verdachtsfall; stattgehabte; abgelaufene; a e; am ehesten; da confermare
esclusione; esclusione di; quadro compatibile con; olabilir; geçirmiş; kuşkusu; kuşkulu; düşünülen; iyileşmiş; şüphe
возможен; переболевший; переболевшие; долгий; под наблюдением; с подозрением на; с подозрением; контакт; контакт с
контактный; остаточные изменения; остаточные изменения после; potential; can t be excluded; highly suspicious
under evaluation; recent; resolving; residual; ago; tracing; hallazgos compatibles con; compatibles con; impresiona
resuelto; vacunado; vacunada; em estudo; contato; contato com; achados compativeis com; compativeis com; a confirmar
vacinado; vacinada; a confirmer; atcd; resolu; fortement suspecte; vaccinee; cas contact; st n; passend zu
durchgemacht; durchgemachte; geimpft; abgelaufen; in abklarung; abklarung; verosimile; suggestivo per; suggestiva per
in corso; in corso di accertamento; contatto; contatto con; recente; compatibili con; reperti compatibili con
vaccinato; ekarte edilemedi; acisindan supheli; ayirici tani; temasli; oykusu; lehine; вероятен; вероятна; в прошлом
выздоровел; выздоровел от; подозревается; вакцинирован; вакцинация; was not excluded; is not excluded
was not ruled out; is not ruled out; was not confirmed; is not confirmed; not been confirmed
"""
"""What is doubted, looked for or over is neither class."""

OTHER_FINDING = """
normal; healthy; control; controls; normals; other; others; no finding; no findings; no abnormality; abnormal
no abnormalities; no acute findings; no acute disease; no acute cardiopulmonary disease; clear; unremarkable
nofinding; no acute abnormality; no abnormality detected; nad; within normal limits; no disease; no pathology
no active disease; no lung disease; no significant findings; no significant abnormality; no anomaly; no lesion
no infection; clear lungs; pneumonia; pneumonias; pneumonitis; pneumoniae; viral; virus; viruses; bacterial; bacteria
bacterium; fungal; lipoid; lung opacity; lung opacities; opacity; opacities; infiltrate; infiltrates; infiltration
infiltrations; consolidation; consolidations; aspiration; ards; acute respiratory distress syndrome; sars; sars cov
mers; mers cov; cov; h 1 n 1; h 5 n 1; h 7 n 9; influenza; flu; herpes; herpes pneumonia; varicella; adenovirus; rsv
respiratory syncytial virus; staphylococcus; streptococcus; klebsiella; legionella; mycoplasma; chlamydophila
chlamydia; e coli; ecoli; mrsa; nocardia; pneumocystis; pcp; pjp; aspergillosis; aspergillus; aspergilloma
tuberculosis; tb; ptb; mycobacterium; swine flu; swine origin influenza a h 1 n 1 viral pneumonia; allergic
chronic eosinophilic pneumonia; eosinophilic; organizing; organising; cryptogenic; hypersensitivity; granulomatous
invasive; candida; cytomegalovirus; cmv; hantavirus; measles; rhinovirus; metapneumovirus; parainfluenza; pseudomonas
haemophilus; pertussis; anthrax; actinomycosis; histoplasmosis; coccidioidomycosis; cryptococcosis; cryptococcus
blastomycosis; pneumococcus; pneumococcal; abscess; empyema; sepsis; atelectasis; cardiomegaly; effusion; effusions
pleural effusion; pleural effusions; fibrosis; emphysema; edema; oedema; pneumothorax; nodule; nodules; mass; masses
hernia; hiatal hernia; pleural thickening; pleural other; thickening; bronchitis; bronchiolitis; bronchiectasis; copd
asthma; cancer; carcinoma; tumor; tumour; lung cancer; lymphoma; metastasis; metastases; lesion; lesions; lung lesion
scoliosis; fracture; fractures; rib fracture; support devices; granuloma; sarcoidosis; silicosis; pneumoconiosis
asbestosis; embolism; pulmonary embolism; congestion; heart failure; chf; cardiac failure; interstitial
interstitial lung disease; ild; uip; hamartoma; calcification; enlarged cardiomediastinum; lung disease; lung diseases
respiratory disease; inflammation; infection; infections; complication; complications; common pneumonia
community acquired pneumonia; cap; hospital acquired pneumonia; abnormality; abnormalities; disease; cavitation
cavity; lymphadenopathy; hilar; reticular; ground glass; ground glass opacity; ground glass opacities; ggo; sano; sana
sanos; normales; controles; neumonia; neumonias; neumonia viral; neumonia bacteriana; otro; otros; otra; otras
derrame; derrame pleural; gripe; saudavel; saudaveis; normais; pneumonia viral; outros; outras; sain; sains; normale
normaux; temoin; temoins; pneumonie; pneumonies; pneumopathie; virale; bacterienne; autre; autres; grippe; tuberculose
epanchement; sani; normali; polmonite; polmoniti; altro; altri; tubercolosi; gesund; unauffällig; normalbefund
lungenentzündung; bakteriell; bakterielle; andere; sonstige; gezond; normaal; longontsteking; overig; overige
sağlıklı; sağlam; zatürre; pnömoni; pnömonisi; pnomoni; viral pnömoni; superinfection; coinfection; co infection
diğer; zdrowy; zdrowe; norma; zapalenie płuc; inne; gruźlica; норма; здоров; здоровый; пневмония; другое; туберкулез
грипп; sehat; pneumonia virus; lainnya; frisk; friske; lungebetennelse; lunginflammation; lungebetændelse; andet
annat; annet; bacteriana; bacterianas; bacteriano; batterica; batteriche; bakteriyel; бактериальная; здоровые; здорова
без патологии; без патологий; патологии нет; без изменений; unauffälliger befund; unauffälliger; normalbefunde
virus pneumonia; вирусная; comunidad; neumonia adquirida en la comunidad; controle; controles sanos; gesunde
gesunde kontrollen; kontrollen; controlli; controlli sani; tuberkulose; tüberküloz; kontrol; sağlıklı kontrol
контрольная группа; внебольничная; внебольничная пневмония; здоровые легкие
"""
"""Findings that are not COVID-19, and having none: radiographs without a word about COVID-19 are NON-COVID."""

ALTERNATIVE = """
or; oder; ou; o; lub; albo; или; либо; veya; atau; eller
"""
"""What leaves open which of two it is: `COVID or influenza`."""

UNDECIDED = """
inconclusive; unknown; todo; to do; pending; na; n a; nan; none; null; nil; tba; tbd; to be determined; undetermined
not available
unspecified; not specified; not stated; missing; not reported; not applicable; not done; no report; no label
unlabeled; unlabelled; empty; blank; desconocido; desconocida; pendiente; sin datos; desconhecido; pendente; inconnu
inconnue; en attente; sconosciuto; in attesa; unbekannt; ausstehend; onbekend; bilinmiyor; nieznany; неизвестно; okänd
ukendt; ukjent
"""

NEUTRAL = """
a; an; and; the; of; for; with; in; on; by; to; due; due to; is; was; are; were; has; have; had; be; been; it; this
that; there; as; at; from; also; both; patient; patients; pt; pts; case; cases; class; label; group; subject; subjects
people; person; adult; adults; male; female; image; images; img; imgs; picture; pictures; scan; scans; x ray; x rays
xray; xrays; x; ray; rays; cxr; cxrs; radiograph; radiographs; film; films; chest; thorax; lung; lungs; pulmonary
respiratory; syndrome; acute; severe; mild; asymptomatic; symptomatic; moderate; critical; early; stage; typical
typical appearance; appearance; bilateral; unilateral; left; right; upper; lower; zone; lobe; peripheral; multifocal
diffuse; associated; related; induced; caused; secondary; secondary to; pcr; rt pcr; rtpcr; rt; rna; antigen; ag
antibody; igg; igm; result; results; by pcr; strain; variant; delta; omicron; alpha; status; finding; findings
diagnosis; dx; icu; infected; ward; hospital; admission; admitted; active; new; only; frontal; pa; ap; day; view; type
study; sign; signs; evidence; feature; features; de; del; la; el; los; las; y; con; por; para; en; un; una; caso
casos; paciente; pacientes; da; do; dos; das; e; com; le; les; du; des; et; avec; par; cas; di; della; il; lo; i; von
der; die; mit; und; bei; van; het; met; een; ve; ile; z; w; и; с; на; dan; dengan; og; med; och; imagen; imagenes
radiografia; radiografias; infeccion; infecção; infeccao; infection; infezione; infektion; infectie; enfeksiyon
enfeksiyonu; vakası; tórax; torax; pulmon; pulmao; poumon; polmone; lunge; long; akciğer; resultado; resultados
erkrankung; enfermedad; doenca; maladie; malattia; hastalık; hastalığı; choroba; болезнь; инфекция; anterior
posterior; aguda; moderada; leve; severa; grave; critico; clinically; clinical; aspect; poumons; pulmões; polmoni
syndrom; au; aux; al; alla; per; befund; hasta; hastası; hastaları; hastalar; пцр; признаков; пациент; пациенты
больной; больные; больных; вызванная; вызванный; interstiziale; intersticial; interstitielle; bilaterale; bilaterales
bilateraux; schwere; schwerer; leichte; mittelschwere; patienten; patientin; paziente; pazienti; torace; exame; examen
repeatedly; sindrome; zatürresi; tutulumu; testi; средней; тяжести; тяжелая; тяжелый; легкая; ассоциированная
ассоциированная с; результат; ct; bestätigt durch; seen; had been; forme; lu; заболевание; résultat; esito
est; une; ist; wurde; changes; change
"""
"""Words that change nothing."""

CONTAINER = """
dataset; datasets; data; database; db; collection; collections; repository; repo; radiography; archive; archives
folder; folders; master; main; project; kaggle; download; downloads; classification; detection; net; cxnet; covidx
chestxray; chest xray; splits; split; train; test; val; validation; training; testing; sample; samples; version; v
all; qu; ex; gr; raw; processed; preprocessed; segmentation; augmented; original; originals
"""
"""Words of a folder that holds a whole collection: it names no class."""

CODES = {
    r"\bu\s?0?7\.?1\b": "covid confirmed",
    r"\bu\s?0?7\.?2\b": "covid suspected",
    r"\b840539006\b": "covid",
    r"\b(non|not|no)[\W_]?covid([\W_]?19)?\s*=\s*(0|no|false)\b": " ? ",
    r"=\s*(1|yes|true)\b": " true",
    r"=\s*(0|no|false)\b": " false",
}
"""Patterns in lower case and what they say: codes of ICD-10 and SNOMED CT, and values behind an equals sign."""
