"""Released networks, one file a repository: where they are, and how they are made and asked."""

from released.av_master import AV_MASTER
from released.avmoe import AVMOE
from released.avst import AVST, AVST_BASELINE
from released.contract import Released
from released.daqa import CONVLSTM, FCNLSTM
from released.dg_sct import DG_SCT
from released.lavish import LAVISH
from released.mccd import MCCD
from released.pstp_net import PSTP_NET
from released.qa_tiger import QA_TIGER
from released.sasr_net import SASR_NET
from released.tjstg import TJSTG
from released.tspm import TSPM

RELEASED: dict[str, Released] = {
    "avst_baseline": AVST_BASELINE,
    "avst": AVST,
    "tjstg": TJSTG,
    "sasr_net": SASR_NET,
    "fcnlstm": FCNLSTM,
    "convlstm": CONVLSTM,
    "pstp_net": PSTP_NET,
    "tspm": TSPM,
    "qa_tiger": QA_TIGER,
    "av_master": AV_MASTER,
    "mccd": MCCD,
    "lavish": LAVISH,
    "dg_sct": DG_SCT,
    "avmoe": AVMOE,
}
