"""A round of checks as people read it."""

from rich.console import Console
from rich.markup import escape

from wavetank.checks.asking import Report


def print_report(report: Report) -> None:
    """Print one line a check, and under it what it found."""
    console = Console(highlight=False, soft_wrap=True)
    for check in dict.fromkeys(answer.check for answer in report.answers):
        answers = [answer for answer in report.answers if answer.check == check]
        findings = [finding for answer in answers for finding in answer.findings]
        asked = [answer for answer in answers if not answer.unanswered]
        left_out = [(answer.node, each.reason) for answer in answers for each in answer.not_asked]
        unknown = "[yellow]?[/]" if len(asked) < len(answers) else "[yellow]○[/]" if left_out else ""
        mark = "[red]✗[/]" if findings else unknown or "[green]✓[/]"
        nodes = ", ".join(answer.node for answer in asked) or "nobody could be asked"
        console.print(f"{mark} {check:<24}[dim]{escape(nodes)}[/]")
        for finding in findings:
            console.print(f"    [bold]{escape(finding.node)}[/] expected {escape(finding.expected)}")
            console.print(f"    {' ' * len(finding.node)} found    {escape(finding.found)}")
            console.print(f"    {' ' * len(finding.node)} next     {escape(finding.next_step)}")
        for node, reason in left_out:
            console.print(f"    [bold]{escape(node)}[/] not asked: {escape(reason)}")
    console.print(summary(report))


def summary(report: Report) -> str:
    """Return one line that says how the round went."""
    questions, left_out = len(report.answers), len(report.open)
    if report.green:
        good = (
            f"{questions - left_out} answers good[/], {left_out} not asked"
            if left_out
            else f"all {questions} answers good[/]"
        )
        return f"[green]{report.instance}: {good} in {report.seconds:.1f} s"
    unanswered = sum(bool(answer.unanswered) for answer in report.answers)
    findings = sum(len(answer.findings) for answer in report.answers)
    extra = f", {unanswered} could not be asked" if unanswered else ""
    extra += f", {left_out} not asked" if left_out else ""
    found = "1 finding" if findings == 1 else f"{findings} findings"
    return f"[red]{report.instance}: {found}[/] in {questions} answers{extra}, {report.seconds:.1f} s"
