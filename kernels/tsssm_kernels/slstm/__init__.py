"""The sLSTM: exponential gates and a memory that the next step's gates see."""

from .op import slstm
from .state import SLSTMState
from .step import slstm_step

__all__ = ["SLSTMState", "slstm", "slstm_step"]
