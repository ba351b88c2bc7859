from mailhorn.sieve import compile_script
from mailhorn.sieve.comparator import ASCII_CASEMAP, OCTET
from mailhorn.sieve.program import Inventory


def test_equal_questions_are_one_object() -> None:
    """So that an evaluation finds their answer by identity."""
    inventory = Inventory()
    assert inventory.ask("header", "a", "", OCTET) is inventory.ask("header", "a", "", OCTET)
    assert inventory.ask("header", "a", "", OCTET) is not inventory.ask("header", "a", "", ASCII_CASEMAP)


def test_a_program_prints_without_its_closures() -> None:
    """For logs and failed tests."""
    assert "body" not in repr(compile_script("keep;"))
