"""The grammar of cron expressions, and what their fields mean."""

from __future__ import annotations

from datetime import date

import pytest

from daemon.scheduler.errors import TriggerInvalid
from daemon.scheduler.triggers.cron_fields import DAY_S, WallTimes, days_of_month, parse_cron

ALL_DAYS = list(range(7))


def _values(mask: int) -> list[int]:
    return [value for value in range(64) if mask >> value & 1]


def _days(expression: str, year: int, month: int) -> list[int]:
    return _values(days_of_month(parse_cron(expression), year, month))


# -- lists, ranges and steps -------------------------------------------------------------------------------------------

MINUTES = {
    "*": list(range(60)),
    "0": [0],
    "59": [59],
    "07": [7],
    "1,2,3": [1, 2, 3],
    "3,1,2,1": [1, 2, 3],
    "10-13": [10, 11, 12, 13],
    "*/15": [0, 15, 30, 45],
    "*/7": [0, 7, 14, 21, 28, 35, 42, 49, 56],
    "*/59": [0, 59],
    "*/60": [0],
    "*/100": [0],
    "10-20/5": [10, 15, 20],
    "10-20/50": [10],
    "40/10": [40, 50],
    "59/15": [59],
    "0-59": list(range(60)),
    "1-5,50-52/2,7": [1, 2, 3, 4, 5, 7, 50, 52],
    "*,5": list(range(60)),
    "58-2": [0, 1, 2, 58, 59],
    "50-10/10": [0, 10, 50],
}


@pytest.mark.parametrize(("field", "expected"), MINUTES.items())
def test_minutes_are_lists_of_ranges_with_steps(field: str, expected: list[int]) -> None:
    assert _values(parse_cron(f"{field} * * * *").minutes) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 22-2 * * *", [0, 1, 2, 22, 23]),
        ("0 */8 * * *", [0, 8, 16]),
        ("0 23 * * *", [23]),
        ("0 9-17/4 * * *", [9, 13, 17]),
    ],
)
def test_hours_go_from_0_to_23_and_may_pass_midnight(expression: str, expected: list[int]) -> None:
    assert _values(parse_cron(expression).hours) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("1", [1]),
        ("31", [31]),
        ("*/10", [1, 11, 21, 31]),
        ("30-2", [1, 2, 30, 31]),
        ("25-L", [25, 26, 27, 28, 29, 30, 31]),
        ("?", list(range(1, 32))),
    ],
)
def test_days_of_the_month_go_from_1_to_31(field: str, expected: list[int]) -> None:
    assert _values(parse_cron(f"0 0 {field} * *").days) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("1-3", [1, 2, 3]),
        ("jan", [1]),
        ("DEC", [12]),
        ("feb-apr", [2, 3, 4]),
        ("nov-feb", [1, 2, 11, 12]),
        ("nov-2", [1, 2, 11, 12]),
        ("jan,Jul", [1, 7]),
        ("*/5", [1, 6, 11]),
        ("oct/1", [10, 11, 12]),
    ],
)
def test_months_have_numbers_and_english_names(field: str, expected: list[int]) -> None:
    assert _values(parse_cron(f"0 0 1 {field} *").months) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("0", [0]),
        ("7", [0]),
        ("sun", [0]),
        ("SAT", [6]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("mon-fri", [1, 2, 3, 4, 5]),
        ("fri-mon", [0, 1, 5, 6]),
        ("sat-sun", [0, 6]),
        ("5-7", [0, 5, 6]),
        ("6-2", [0, 1, 2, 6]),
        ("0-7", ALL_DAYS),
        ("sun-7", ALL_DAYS),
        ("0,7", [0]),
        ("*/2", [0, 2, 4, 6]),
        ("1-5/2", [1, 3, 5]),
        ("?", ALL_DAYS),
        ("mon,3", [1, 3]),
    ],
)
def test_days_of_the_week_count_from_sunday_which_is_0_and_7(field: str, expected: list[int]) -> None:
    assert _values(parse_cron(f"0 0 * * {field}").weekdays) == expected


@pytest.mark.parametrize(
    ("expression", "field", "expected"),
    [
        ("5-5 * * * *", "minutes", [5]),
        ("05-5 * * * *", "minutes", [5]),
        ("5-5/3 * * * *", "minutes", [5]),
        ("1,5-5 * * * *", "minutes", [1, 5]),
        ("0 9-09 * * *", "hours", [9]),
        ("0 0 31-31 * *", "days", [31]),
        ("0 0 1 feb-feb *", "months", [2]),
        ("0 0 1 feb-2 *", "months", [2]),
        ("0 0 1 2-feb *", "months", [2]),
        ("0 0 * * mon-mon", "weekdays", [1]),
        ("0 0 * * MON-1", "weekdays", [1]),
        ("0 0 * * 7-7", "weekdays", [0]),
        ("0 0 * * 7-0", "weekdays", [0]),
        ("0 0 * * sun-0", "weekdays", [0]),
        ("* * * * * 30-30", "seconds", [30]),
    ],
)
def test_a_range_from_a_value_to_itself_is_that_value_however_it_is_written(
    expression: str, field: str, expected: list[int]
) -> None:
    assert _values(getattr(parse_cron(expression), field)) == expected


# -- last, nearest and n-th --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("year", "month", "last"),
    [(2026, 1, 31), (2026, 2, 28), (2028, 2, 29), (2100, 2, 28), (2000, 2, 29), (2026, 4, 30)],
)
def test_l_is_the_last_day_of_the_month(year: int, month: int, last: int) -> None:
    assert _days("0 0 L * *", year, month) == [last]


def test_l_may_stand_in_a_list() -> None:
    assert _days("0 0 l,15 * *", 2026, 2) == [15, 28]


@pytest.mark.parametrize(
    ("day", "year", "month", "expected"),
    [
        ("15W", 2026, 6, 15),  # a Monday
        ("15w", 2026, 8, 14),  # a Saturday: the Friday before
        ("W15", 2026, 11, 16),  # a Sunday: the Monday after
        ("1w", 2026, 8, 3),  # a Saturday, and the Friday before lies in July
        ("31w", 2026, 5, 29),  # a Sunday, and the Monday after lies in June
        ("31w", 2026, 2, 27),  # February ends on Saturday 28
        ("30w", 2026, 4, 30),
    ],
)
def test_w_is_the_nearest_weekday_within_the_month(day: str, year: int, month: int, expected: int) -> None:
    assert _days(f"0 0 {day} * *", year, month) == [expected]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("fri#1", [4]),
        ("5#2", [11]),
        ("FRI#2,fri#4", [11, 25]),
        ("tue#5", [29]),
        ("fri#5", []),
        ("7#1", [6]),
        ("mon-wed#1", [1, 2, 7]),
        ("L5", [25]),
        ("l2", [29]),
        ("l7", [27]),
        ("5#1,l5", [4, 25]),
        ("mon#1,l5", [7, 25]),
    ],
)
def test_a_weekday_may_be_the_nth_or_the_last_of_the_month(field: str, expected: list[int]) -> None:
    assert _days(f"0 0 * * {field}", 2026, 9) == expected  # September 2026 begins on a Tuesday and has 30 days


# -- both day fields ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 13 * 5", [4, 11, 13, 18, 25]),
        ("0 0 13,25 * fri", [4, 11, 13, 18, 25]),
        ("0 0 1-31 * 5", list(range(1, 31))),
        ("0 0 13 * 0-6", list(range(1, 31))),
        ("0 0 L * 5", [4, 11, 18, 25, 30]),
        ("0 0 13 * fri#1", [4, 13]),
    ],
)
def test_with_both_day_fields_restricted_either_is_enough(expression: str, expected: list[int]) -> None:
    assert _days(expression, 2026, 9) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 * * 5", [4, 11, 18, 25]),
        ("0 0 13 * *", [13]),
        ("0 0 ? * 5", [4, 11, 18, 25]),
        ("0 0 */2 * 5", [11, 25]),
        ("0 0 11 * */5", [11]),
        ("0 0 12 * */5", []),
        ("0 0 *,13 * 5", [4, 11, 18, 25]),
        ("0 0 * * fri#2", [11]),
    ],
)
def test_if_a_day_field_begins_with_a_star_both_must_match(expression: str, expected: list[int]) -> None:
    assert _days(expression, 2026, 9) == expected


@pytest.mark.parametrize(
    ("expression", "wildcard"),
    [
        ("* * * * *", True),
        ("*/5 2 * * *", True),
        ("5 * * * *", True),
        ("5 */2 * * *", True),
        ("*,5 2 * * *", True),
        ("@hourly", True),
        ("5 2 * * *", False),
        ("0-59 0-23 * * *", False),
        ("5,* 2 * * *", False),
        ("5 2 * * * *", False),
        ("@daily", False),
        ("@weekly", False),
    ],
)
def test_an_entry_is_a_wildcard_if_its_minute_or_hour_begins_with_a_star(expression: str, *, wildcard: bool) -> None:
    assert parse_cron(expression).is_wildcard is wildcard


# -- other forms -------------------------------------------------------------------------------------------------------

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
}


@pytest.mark.parametrize(("macro", "expression"), MACROS.items())
def test_a_macro_means_what_it_stands_for(macro: str, expression: str) -> None:
    assert parse_cron(macro) == parse_cron(expression)


def test_case_and_white_space_do_not_matter() -> None:
    assert parse_cron("  0\t0  *  JAN   Mon ") == parse_cron("0 0 * jan mon")


def test_five_fields_mean_second_zero() -> None:
    assert _values(parse_cron("* * * * *").seconds) == [0]


def test_a_sixth_field_is_seconds() -> None:
    fields = parse_cron("5 * * * * */20")
    assert (_values(fields.minutes), _values(fields.seconds)) == ([5], [0, 20, 40])


def test_a_seventh_field_is_years() -> None:
    fields = parse_cron("0 0 1 1 * 0 2030-2034/2")
    assert fields.years == frozenset((2030, 2032, 2034))
    assert days_of_month(fields, 2030, 1) == 1 << 1
    assert days_of_month(fields, 2031, 1) == 0


def test_a_star_for_years_means_all() -> None:
    assert parse_cron("0 0 1 1 * 0 *").years is None


# -- what is refused ---------------------------------------------------------------------------------------------------

COUNT = "fields; minute, hour, day, month, day of week are needed"
MINUTE = "cannot be read; it takes 0-59; lists, ranges, steps"
MIXED = "mixes plain days with n-th or last ones; make two entries"
NEVER = "never fires; no month it names has such a day"

REFUSED = {
    "": f'"" has 0 {COUNT}',
    "* * * *": f'"* * * *" has 4 {COUNT}',
    "* * * * * * * *": f'"* * * * * * * *" has 8 {COUNT}',
    "@every 5m": f'"@every 5m" has 2 {COUNT}',
    "@reboot": '"@reboot" is not a cron expression; write five fields, or @daily and its kin',
    "60 * * * *": f'"60 * * * *": minute "60" {MINUTE}',
    "-1 * * * *": f'"-1 * * * *": minute "-1" {MINUTE}',
    "1.5 * * * *": f'"1.5 * * * *": minute "1.5" {MINUTE}',
    "*/0 * * * *": f'"*/0 * * * *": minute "*/0" {MINUTE}',
    "*/5-10 * * * *": f'"*/5-10 * * * *": minute "*/5-10" {MINUTE}',
    "1, * * * *": f'"1, * * * *": minute "1," {MINUTE}',
    "1-2-3 * * * *": f'"1-2-3 * * * *": minute "1-2-3" {MINUTE}',
    "1-5/2;9 * * * *": f'"1-5/2;9 * * * *": minute "1-5/2;9" {MINUTE}',
    "? * * * *": f'"? * * * *": minute "?" {MINUTE}',
    "\u0661 * * * *": f'"\u0661 * * * *": minute "\u0661" {MINUTE}',
    "9999999999999999999999 * * * *": f'"9999999999999999999999 * * * *": minute "9999999999999999999999" {MINUTE}',
    "* 24 * * *": '"* 24 * * *": hour "24" cannot be read; it takes 0-23; lists, ranges, steps',
    "0 0 32 * *": '"0 0 32 * *": day of month "32" cannot be read; it takes 1-31, L, 15W; lists, ranges, steps',
    "0 0 0 * *": '"0 0 0 * *": day of month "0" cannot be read; it takes 1-31, L, 15W; lists, ranges, steps',
    "0 0 LW * *": '"0 0 LW * *": day of month "LW" cannot be read; it takes 1-31, L, 15W; lists, ranges, steps',
    "0 0 5w,9 * *": '"0 0 5w,9 * *": day of month "5w,9" cannot be read; it takes 1-31, L, 15W; lists, ranges, steps',
    "0 0 1 13 *": '"0 0 1 13 *": month "13" cannot be read; it takes 1-12, jan-dec; lists, ranges, steps',
    "0 0 1 february *": '"0 0 1 february *": month "february" cannot be read; it takes 1-12, jan-dec; lists, ranges, steps',
    "0 0 1 mon *": '"0 0 1 mon *": month "mon" cannot be read; it takes 1-12, jan-dec; lists, ranges, steps',
    "0 0 * * 8": '"0 0 * * 8": day of week "8" cannot be read; it takes 0-7, sun-sat, fri#2, L5; lists, ranges, steps',
    "0 0 * * jan": '"0 0 * * jan": day of week "jan" cannot be read; it takes 0-7, sun-sat, fri#2, L5; lists, ranges, '
    "steps",
    "0 0 * * L": '"0 0 * * L": day of week "L" cannot be read; it takes 0-7, sun-sat, fri#2, L5; lists, ranges, steps',
    "0 0 * * fri#6": '"0 0 * * fri#6": day of week "fri#6" cannot be read; it takes 0-7, sun-sat, fri#2, L5; lists, '
    "ranges, steps",
    "* * * * * 60": '"* * * * * 60": second "60" cannot be read; it takes 0-59; lists, ranges, steps',
    "* * * * * 0 1969": '"* * * * * 0 1969": year "1969" cannot be read; it takes 1970-2099; lists, ranges, steps',
    "0 0 * * 5#2,3": f'"0 0 * * 5#2,3": day of week "5#2,3" {MIXED}',
    "0 0 * * 5,5#2": f'"0 0 * * 5,5#2": day of week "5,5#2" {MIXED}',
    "0 0 * * *,l5": f'"0 0 * * *,l5": day of week "*,l5" {MIXED}',
    "0 0 31 2 *": f'"0 0 31 2 *" {NEVER}',
    "0 0 30 feb *": f'"0 0 30 feb *" {NEVER}',
    "0 0 31 4,6,9,11 *": f'"0 0 31 4,6,9,11 *" {NEVER}',
    "0 0 31 2 */2": f'"0 0 31 2 */2" {NEVER}',
    "0 0 29 2 * 0 2027": f'"0 0 29 2 * 0 2027" {NEVER}',
}


@pytest.mark.parametrize(("expression", "expected"), REFUSED.items())
def test_what_is_no_cron_expression_is_refused_naming_the_field(expression: str, expected: str) -> None:
    with pytest.raises(TriggerInvalid) as caught:
        parse_cron(expression)
    assert (f"{caught.value}; {caught.value.hint}" if caught.value.hint else str(caught.value)) == expected


@pytest.mark.parametrize(
    "field", ["H", "h", "R", "H/5", "h(0-29)/10", "R(1-5)", "1,H", "H,5", "0-h"], ids=lambda field: f"minute {field}"
)
def test_a_random_time_is_refused_by_name(field: str) -> None:
    with pytest.raises(TriggerInvalid, match="H and R are not available in this version") as caught:
        parse_cron(f"{field} * * * *")
    assert caught.value.hint == "write the minute you want"


@pytest.mark.parametrize("name", ["thu", "mar", "apr", "thu,fri", "mar,apr", "mar-apr", "fri/2"])
def test_names_that_end_in_h_or_r_are_not_taken_for_random(name: str) -> None:
    place = "*" if name[:3] in ("thu", "fri") else name
    parse_cron(f"0 0 * {place} {name if place == '*' else '*'}")


def test_ten_thousand_items_are_refused_before_they_are_read() -> None:
    with pytest.raises(TriggerInvalid, match="more than 256 characters"):
        parse_cron(",".join("1" * 10_000) + " * * * *")


def test_the_longest_expression_allowed_is_read() -> None:
    parse_cron("1" + ",2" * 123 + " * * * *")


def test_the_29th_of_february_is_no_impossible_date() -> None:
    assert _days("0 0 29 2 *", 2028, 2) == [29]


def test_a_weekday_rescues_an_impossible_day_of_month() -> None:
    assert _days("0 0 31 2 1", 2026, 2) == [2, 9, 16, 23]


# -- wall times --------------------------------------------------------------------------------------------------------


def _wall(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return (
        (date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()) * DAY_S + hour * 3600 + minute * 60 + second
    )


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        ("30 2 * * *", _wall(2026, 3, 1, 2, 30), _wall(2026, 3, 1, 2, 30)),
        ("30 2 * * *", _wall(2026, 3, 1, 2, 30, 1), _wall(2026, 3, 2, 2, 30)),
        ("*/20 9-10 * * *", _wall(2026, 3, 1, 9, 40, 1), _wall(2026, 3, 1, 10)),
        ("59 23 31 12 *", _wall(2026, 12, 31, 23, 59, 1), _wall(2027, 12, 31, 23, 59)),
        ("0 0 29 2 *", _wall(2096, 3, 1), _wall(2104, 2, 29)),
        ("0 0 1 1 * 30", _wall(2026, 1, 1, 0, 0, 30), _wall(2026, 1, 1, 0, 0, 30)),
        ("0 0 1 1 * 30", _wall(2026, 1, 1, 0, 0, 31), _wall(2027, 1, 1, 0, 0, 30)),
        ("5 * * * * 10,50", _wall(2026, 1, 1, 0, 5, 11), _wall(2026, 1, 1, 0, 5, 50)),
        ("0 12 1 1 *", _wall(1969, 6, 1), _wall(1970, 1, 1, 12)),
    ],
)
def test_the_first_match_not_before_a_wall_time_is_found(expression: str, start: int, expected: int) -> None:
    assert WallTimes(parse_cron(expression)).first_at_or_after(start) == expected


def test_years_that_are_over_give_no_more_wall_times() -> None:
    walls = WallTimes(parse_cron("0 0 1 1 * 0 2030"))
    assert walls.first_at_or_after(_wall(2026, 1, 1)) == _wall(2030, 1, 1)
    assert walls.first_at_or_after(_wall(2030, 1, 1, 0, 0, 1)) is None


def test_wall_times_end_before_the_calendar_does() -> None:
    assert WallTimes(parse_cron("0 0 1 1 *")).first_at_or_after(_wall(9990, 1, 2)) is None
