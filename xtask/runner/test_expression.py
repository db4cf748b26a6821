import unittest

from expression import Evaluator, ExpressionError


def evaluator(failed=False):
    contexts = {"github": {"event_name": "push", "event": {"number": 7}}, "steps": {"a": {"outputs": {"sarif": "x"}}}}
    functions = {"success": lambda: not failed, "failure": lambda: failed, "cancelled": lambda: False, "always": lambda: True}
    return Evaluator(contexts, functions)


class Expressions(unittest.TestCase):
    def test_values_are_looked_up_compared_and_joined(self):
        for source, value in [
            ("github.event_name == 'PUSH'", True),
            ("github.event.number == '7' && 'yes' || 'no'", "yes"),
            ("!(github.event.missing.deep)", True),
            ("github.event_name != 'push' || steps.a.outputs.sarif", "x"),
            ("startsWith('refs/heads/main', 'refs/') && contains('abc', 'B')", True),
            ("format('{0}-{1}', 'it''s', 2)", "it's-2"),
            ("2 >= 10", False),
        ]:
            with self.subTest(source):
                self.assertEqual(evaluator().evaluate(source), value)

    def test_a_condition_without_a_status_function_needs_success(self):
        self.assertTrue(evaluator().condition("github.event_name == 'push'"))
        self.assertFalse(evaluator(failed=True).condition("github.event_name == 'push'"))
        self.assertTrue(evaluator(failed=True).condition("${{ !cancelled() }}"))
        self.assertFalse(evaluator().condition("failure()"))

    def test_text_around_expressions_stays(self):
        self.assertEqual(evaluator().fill("a-${{ github.event.number }}-${{ github.none }}"), "a-7-")

    def test_what_is_not_understood_is_an_error(self):
        for source in ["fromJSON('1')", "nowhere.to.be", "github.event_name ==", "a b", "%"]:
            with self.subTest(source), self.assertRaises(ExpressionError):
                evaluator().evaluate(source)


if __name__ == "__main__":
    unittest.main()
