"""Checks the Slack messages in golden/ against the models of slack_sdk.

    python3 -m venv target/slack && target/slack/bin/pip install slack_sdk==3.47.0
    target/slack/bin/python runtime/alert/tests/slack_blocks.py

The models know Slack's limits and required fields, not every enum: a message that passes here has the shape and the
sizes that Slack documents. The limit on all blocks together is not documented; the Rust tests hold it.
"""

import json
import pathlib
import sys

from slack_sdk.models.blocks import Block, ContextBlock, DividerBlock, HeaderBlock, SectionBlock

KNOWN = (ContextBlock, DividerBlock, HeaderBlock, SectionBlock)


def check(block: dict) -> None:
    """Raises where the models refuse the block, or would drop a part of it."""
    parsed = Block.parse(block)
    if not isinstance(parsed, KNOWN):
        raise ValueError(f"unknown block type {block.get('type')!r}")
    parsed.validate_json()
    if parsed.to_dict() != block:
        raise ValueError(f"the models read it differently:\n  {block}\n  {parsed.to_dict()}")


def refuses(block: dict) -> bool:
    """Whether the check can fail at all."""
    try:
        check(block)
    except Exception:
        return True
    return False


def main() -> int:
    golden = sorted((pathlib.Path(__file__).parent / "golden").glob("slack_*.json"))
    if not golden:
        print("no messages in golden/: run the tests of the crate `alert` with UPDATE_GOLDEN=1")
        return 1
    controls = [
        {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11},
        {"type": "section"},
    ]
    for control in controls:
        if not refuses(control):
            print(f"the models accept what they must not: {str(control)[:80]}")
            return 1
    failures = 0
    for path in golden:
        message = json.loads(path.read_text())
        if not message["text"] or len(message["blocks"]) > 50:
            print(f"{path.name}: expected a text and at most 50 blocks")
            failures += 1
        for number, block in enumerate(message["blocks"]):
            try:
                check(block)
            except Exception as error:
                print(f"{path.name}: block {number}: {error}")
                failures += 1
    print(f"{len(golden)} messages, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
