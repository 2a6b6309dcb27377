"""What every agent is told and what its tool answers; the same for all."""

SYSTEM = "You are a coding assistant. Look at files with your tool until you know enough."
PROMPT = "Look at all files, one by one, then say Done."
TEXT = "\n".join(
    f"{n:>3}  def function_{n}(argument: int) -> int: return argument + {n}" for n in range(12)
)
