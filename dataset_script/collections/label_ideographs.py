"""Chinese, Japanese and Korean words of labels, which are written without spaces: what stands in English for each."""

_WORDS = """
covid: 新型冠状病毒肺炎 新型冠状病毒 新冠病毒 新冠肺炎 新冠 冠状病毒 新型コロナウイルス感染症 新型コロナウイルス
covid: 新型コロナ コロナウイルス コロナ 코로나바이러스 코로나19 코로나
covid: 신종코로나
covid: 新型冠狀病毒 冠狀病毒 コロナウイルス感染症 코로나바이러스감염증-19 코로나바이러스감염증
not detected: 未检出 未検出 検出されず 検出せず 未檢出
no: 未见 无 無 没有 未发现
not excluded: 未排除 不排除 不能排除 否定できない 不除外 否定できず 除外できない
excluded: 排除 否定 除外 已排除
negative: 阴性 陰性 음성 为阴性
positive: 阳性 陽性 양성 为阳性
confirmed: 确诊 確定 확진 確診
suspected: 疑似 疑い 의심 可疑 高度疑似 疑
possible: 可能 考虑 考慮 可能性 가능성 かもしれない 鑑別 가능성_있음 可能性大
rule out: 待查 待排 待排除
history of: 既往 曾患 患った
recovered: 康复 治愈 완치 회복 治癒 回復 康復 治愈后 治癒後 痊愈 痊癒
sequelae: 後遺症 后遗症 후유증
not: 不是 未 未患 并非 不属于
non: 非 비
absent: なし でない ではない 없음 아님 以外 無し 이_아님 가_아님 していない を認めない 認めず
normal: 正常 정상
healthy: 健康 健常 건강
abnormal: 异常 異常
viral pneumonia: 病毒性肺炎
bacterial pneumonia: 细菌性肺炎 細菌性肺炎
pneumonia: 肺炎 폐렴 普通肺炎
tuberculosis: 肺结核 結核 결핵 肺結核
infection: 感染 罹患
patient: 患者 환자 病人
case: 病例 症例
other: 其他 その他 기타
test: 核酸检测 核酸檢測 核酸 检测 檢測 検査 검사
detected: 検出 检出
present: あり 있음
confirmed patient: 확진자
community acquired pneumonia: 社区获得性肺炎
bacterial: 세균성 細菌性 细菌性
absent , normal: 無異常 未见异常 異常なし
contact: 密切接触者 濃厚接触者 接触 접촉 密接 접촉자 接触史
discharged: 出院 退院 退院後
post: 感染後 罹患後 接種後 后 後
x ray: X光 X線 X射线 レントゲン
chest film: 胸片
chest: 胸部 흉부
image: 图像 影像 画像 영상 사진 写真
viral: 病毒性 ウイルス性 바이러스성
severe: 重症 중증
mild: 轻症 轻型 軽症 경증
moderate: 中症 中等症 普通型
infected: 感染者 감염자
healthy control: 健康对照
influenza: 甲流 流感
absent ,: 以外の
not infected: 비감염 미감염 非感染 未感染
recovering: 恢复期 恢復期
follow up: 复查 複查
not confirmed: 未确诊 未確診
asymptomatic: 無症状 无症状 무증상
absent , no finding: 所見なし
denied: 否认 否認
of: は の
history: 病史
former covid: 元コロナ
pending: 要検査
vaccine: ワクチン 接種 疫苗
confirmed case: 確定例
"""

_PAIRS = [
    (word.replace("_", " "), meaning)
    for meaning, words in (line.split(":") for line in _WORDS.strip().splitlines())
    for word in words.split()
]

IN_ENGLISH = dict(sorted(_PAIRS, key=lambda pair: -len(pair[0])))
"""Word → what stands for it, the longest first; an underscore above is a space."""
