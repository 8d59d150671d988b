"""Whether AI is the right answer, before anything is built: the fit questions and their advice."""

from typing import Annotated, Literal

from pydantic import Field

from lineside.core import Record

Task = Literal["classify", "extract", "answer", "act"]
Interface = Literal["inline", "form", "batch", "chat", "agent"]

TEMPLATES: dict[Task, str] = {
    "classify": "predict-classify",
    "extract": "predict-extract",
    "answer": "answer",
    "act": "agent",
}
_Text = Annotated[str, Field(max_length=2000)]


class FitAnswers(Record):
    """What `lineside init` asks; a question without an answer stays nothing.

    Attributes:
        statement: What the problem is, in one sentence.
        who: Who has it, and how many they are.
        today: What it costs today, in time, errors or money.
        measure: The business measure that must move, such as `minutes_to_first_reply`.
        owner: The team or person who will answer for it.
        task: What the app has to do: sort into known classes, read fields out of text, answer from
            sources, or act with tools.
        rule_would_do: A handful of written rules would solve it well enough.
        form_would_do: Asking the person in a form would make the question go away.
        needs_chat: People need several turns to get what they want.
        in_batch: Many items are worked through at once, and nobody waits for each.
        mistakes_are_costly: A wrong answer that nobody checks does real harm.
    """

    statement: Annotated[_Text, Field(description="What the problem is, in one sentence.")] = ""
    who: Annotated[_Text, Field(description="Who has it, and how many they are.")] = ""
    today: Annotated[_Text, Field(description="What it costs today: time, errors, money.")] = ""
    measure: Annotated[_Text, Field(description="The business measure that must move.")] = ""
    owner: Annotated[_Text, Field(description="The team or person who answers for it.")] = ""
    task: Annotated[Task | None, Field(description="What the app has to do.")] = None
    rule_would_do: Annotated[
        bool | None, Field(description="A handful of written rules would solve it.")
    ] = None
    form_would_do: Annotated[
        bool | None, Field(description="Asking people in a form would solve it.")
    ] = None
    needs_chat: Annotated[
        bool | None, Field(description="People need several turns to get what they want.")
    ] = None
    in_batch: Annotated[
        bool | None, Field(description="Many items at once; nobody waits for each.")
    ] = None
    mistakes_are_costly: Annotated[
        bool | None, Field(description="A wrong answer that nobody checks does real harm.")
    ] = None

    def advice(self) -> list[str]:
        """What the answers say about building this, in plain sentences; the weightiest first."""
        advice = []
        if self.rule_would_do:
            advice.append(
                "A rule would do: consider not building an AI app. Write the rule first, and come "
                "back with the cases it gets wrong; they are your first test set."
            )
        if self.form_would_do:
            advice.append(
                "A form would do: consider asking people for the answer where they are anyway, "
                "instead of guessing it afterwards."
            )
        if self.needs_chat is False and self.task != "act":
            advice.append(
                f"Chat is not the right interface: the file says `interface: {self.interface}`, so "
                "that people get the answer without having to ask for it."
            )
        if self.needs_chat and self.task in ("classify", "extract"):
            advice.append(
                "A typed answer needs no conversation: try a form or the place where people "
                "already work before you build a chat."
            )
        if self.task == "act":
            advice.append(
                "An agent is the dearest way: if the steps are always the same, a program that "
                "asks a model at one of them is cheaper, faster and easier to test."
            )
        if self.mistakes_are_costly:
            advice.append(
                "Mistakes are costly: the file begins with `risk: high` and with a person who "
                "confirms each answer; loosen that only with evidence."
            )
        if not self.today:
            advice.append(
                "What it costs today is not known: measure it for a week, or nobody can say later "
                "whether it was worth it."
            )
        return advice

    @property
    def interface(self) -> Interface:
        """Where people should meet the app."""
        if self.task == "act":
            return "agent"
        if self.needs_chat:
            return "chat"
        if self.in_batch:
            return "batch"
        return "form" if self.task == "extract" else "inline"

    @property
    def template(self) -> str:
        """The template that comes nearest."""
        if self.task is None:
            return "answer" if self.needs_chat else "predict-classify"
        return TEMPLATES[self.task]
