"""Each mistake in a province's files is one line: the file, the line, and what would be right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from lgsp.cli.main import main
from lgsp.vietnam import successions, territory_files
from tests.unit.configure.conftest import OwnFolder

STATUS, SOURCE, CORRECTIONS = (
    "codelists/dossier_status.yml",
    "sources/one_stop_shop.yml",
    "corrections/one_stop_shop.yml",
)
DAYS, AGENCIES, CROSSWALK = "working_days.csv", "agency_successions.csv", "territories/crosswalk_2025.csv"
HEADER = "day_on,is_working_day,name,legal_basis\n"
SUCCESSIONS = ",".join(successions.COLUMNS) + "\n"
CROSSWALKS = ",".join(territory_files.TABLES["crosswalk_2025"].columns) + "\n"
CORRECTION = (
    "- list: dossiers\n  field: code\n  says: 'a'\n  means: b\n  reason: c\n  reported_on: 2026-01-10\n  status: open\n"
)

MISTAKES: dict[str, tuple[str, str | bytes, str]] = {
    "unknown file": ("working_day.csv", HEADER, "working_day.csv: no such file is read; did you mean working_days.csv?"),
    "unknown folder": ("code_lists/dossier_status.yml", "a: b", "code_lists/dossier_status.yml: no folder code_lists is read; did you mean codelists?"),
    "unknown code list": ("codelists/dossier_state.yml", "a: b", "codelists/dossier_state.yml: no such file is read; did you mean dossier_status.yml?"),
    "unknown source": ("sources/one_stop.yml", "overlap_minutes: 3", "sources/one_stop.yml: no such file is read; did you mean one_stop_shop.yml?"),
    "unknown section": (STATUS, 'one_stop:\n  "77": finished\n', f"{STATUS} line 1: one_stop is no section of dossier_status; did you mean one_stop_shop?"),
    "unknown meaning": (STATUS, 'one_stop_shop:\n  "76": finished\n  "77": done\n', f"{STATUS} line 3: 77: 'done' is no meaning of dossier_status; known are"),
    "no meaning": (STATUS, 'one_stop_shop:\n  "77":\n', f"{STATUS} line 2: 77 must have one text"),
    "capitals": ("codelists/document_type.yml", 'documents:\n  Thông Báo Mới: other\n', "codelists/document_type.yml line 2: Thông Báo Mới never matches; write it as it is compared: thông báo mới"),
    "codes as a list": (STATUS, "one_stop_shop: [a]\n", f"{STATUS} line 1: one_stop_shop must have codes with their meanings"),
    "repeated key": (STATUS, 'one_stop_shop:\n  "77": finished\n  "77": returned\n', f"{STATUS} line 3: 77 appears twice"),
    "syntax": (STATUS, 'one_stop_shop:\n  "77: finished\n', f"{STATUS} line 3: found unexpected end of stream"),
    "tab": (STATUS, 'one_stop_shop:\n\t"77": finished\n', f"{STATUS} line 2: a tab; YAML is indented with blanks"),
    "encoding": (STATUS, "one_stop_shop:\n  đã: finished\n".encode("cp1258", "replace") + b"\xf0\n", f"{STATUS} line 2: this is not UTF-8; save the file as UTF-8"),
    "empty": (STATUS, "# nothing\n", f"{STATUS}: it is empty; delete it, or write what differs from the program"),
    "no mapping": (STATUS, "finished\n", f"{STATUS} line 1: it must map sources to their codes"),
    "unknown setting": (SOURCE, "manners:\n  atempts: 3\n", f"{SOURCE} line 2: manners.atempts is no setting of a source; did you mean manners.attempts?"),
    "part of the program": (SOURCE, "role: portal\n", f"{SOURCE} line 1: role is a part of the program; a province may change"),
    "type": (SOURCE, "overlap_minutes: ten\n", f"{SOURCE} line 1: overlap_minutes 'ten' must be a whole number from 0 to 1,440"),
    "bounds": (SOURCE, "\nlist_loss: 1.5\n", f"{SOURCE} line 2: list_loss '1.5' must be a number from 0 to 1"),
    "quiet hours": (SOURCE, 'quiet_hours: ["22:00-05:00", "12-25"]\n', f"{SOURCE} line 1: quiet_hours: '12-25' is not a span of the local day such as '22:00-05:00'"),
    "policy": (SOURCE, "unknown_field: halt\n", f"{SOURCE} line 1: unknown_field 'halt' must be warn or stop"),
    "unknown field": (CORRECTIONS, CORRECTION.replace("field: code", "field: kode"), f"{CORRECTIONS} line 2:"),
    "unknown list": (CORRECTIONS, CORRECTION.replace("dossiers", "dossier"), f"{CORRECTIONS} line 1: dossier is no list of one_stop_shop; did you mean dossiers?"),
    "pattern": (CORRECTIONS, CORRECTION.replace("'a'", "'('"), f"{CORRECTIONS} line 2:"),
    "pattern of DuckDB": ("codelists/test_records.yml", "email: ['(?=test)']\n", "codelists: Invalid Input Error: invalid perl operator"),
    "lacking": (CORRECTIONS, CORRECTION.replace("  status: open\n", ""), f"{CORRECTIONS} line 1: the correction lacks status"),
    "day": (DAYS, HEADER + "2027-02-30,false,Nghỉ,TB 1\n", f"{DAYS} line 2: day_on '2027-02-30' is no day; write it as 2026-01-10"),
    "day twice": (DAYS, HEADER + "2027-02-03,false,Nghỉ,TB 1\n2027-02-03,true,Bù,TB 1\n", f"{DAYS} line 3: 2027-02-03 already has line 2"),
    "missing column": (DAYS, "day_on,is_working_day,name\n", f"{DAYS} line 1: the columns must be day_on,is_working_day,name,legal_basis"),
    "separator": (DAYS, HEADER.replace(",", "|"), f"{DAYS} line 1: the columns must be day_on,is_working_day,name,legal_basis; their separator is a comma or a semicolon"),
    "empty csv": (DAYS, "", f"{DAYS} line 1: the columns must be"),
    "circle": (AGENCIES, SUCCESSIONS + ",Sở A,,Sở B,2026-01-01,merged,,NQ 1,x,yes\n,Sở B,,Sở A,2026-02-01,merged,,NQ 1,x,yes\n", f"{AGENCIES} line 2: Sở A follows Sở B in another line: a circle"),
    "kind": (AGENCIES, SUCCESSIONS + ",Sở A,,Sở B,2026-01-01,sold,,NQ 1,x,yes\n", f"{AGENCIES} line 2: kind 'sold' must be merged, renamed, split"),
    "parent": (CROSSWALK, CROSSWALKS + "92,Cần Thơ,916,Quận Ninh Kiều,31117,Phường Cái Khế,92,Cần Thơ,31135,Phường Ninh Kiều\n", f"{CROSSWALK} line 2: old_province_code '92' is no province; add its line to territories/provinces.csv"),
    "leading zeros": (CROSSWALK, CROSSWALKS + "06,Tỉnh Bắc Kạn,58,Thành phố Bắc Kạn,01834,Phường A,19,Tỉnh Thái Nguyên,01840,Phường B\n", f"{CROSSWALK} line 2: old_district_code '58' must have 3 digits"),
    "definitions": ("definitions/indicator_threshold.csv", "a,b\n", "definitions/indicator_threshold.csv line 1: the columns must be"),
    "unknown definitions": ("definitions/thresholds.csv", "a,b\n", "definitions/thresholds.csv: no such file is read; did you mean indicator_threshold.csv?"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_one_line_with_file_line_and_remedy(own: OwnFolder, kind: str) -> None:
    name, content, message = MISTAKES[kind]
    own.write(name, content)
    found = own.mistakes()
    assert found and found[0].startswith(message), found
    assert all("\n" not in mistake for mistake in found) and len({*found}) == len(found)


def test_all_mistakes_are_found_at_once(own: OwnFolder) -> None:
    own.write(STATUS, 'one_stop_shop:\n  "77": done\n  "78": over\n')
    own.write(SOURCE, "overlap_minuts: 3\nlist_loss: 2\n")
    own.write(DAYS, HEADER + "2027-02-30,false,Nghỉ,TB 1\n2027-02-03,maybe,Nghỉ,TB 1\n")
    assert [mistake.split(":")[0] for mistake in own.mistakes()] == [
        f"{STATUS} line 2", f"{STATUS} line 3", f"{SOURCE} line 1", f"{SOURCE} line 2", f"{DAYS} line 2", f"{DAYS} line 3",
    ]  # fmt: skip


def test_a_link_out_of_the_folder_is_not_followed(own: OwnFolder, tmp_path: Path) -> None:
    (tmp_path / "secret.yml").write_text("one_stop_shop: {'77': finished}")
    own.write(STATUS, "").unlink()
    (own.path / STATUS).symlink_to(tmp_path / "secret.yml")
    assert own.mistakes() == [f"{STATUS}: it is a link to a file outside LGSP_CONFIG; put the file itself there"]
    (own.path / STATUS).unlink()
    own.write(".data/status.yml", 'one_stop_shop: {"77": finished}')
    (own.path / STATUS).symlink_to(own.path / ".data" / "status.yml")  # as Kubernetes mounts a ConfigMap
    assert own.mistakes() == []


def test_a_file_that_cannot_be_read_is_a_mistake(own: OwnFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    own.write(STATUS, 'one_stop_shop: {"77": finished}')
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path == own.path / STATUS:
            raise PermissionError(13, os.strerror(13))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)  # root may read everything
    assert own.mistakes() == [
        f"{STATUS}: it cannot be read: Permission denied; give the user of lgsp the right to read it"
    ]


def test_a_folder_that_does_not_exist_is_a_mistake(own: OwnFolder) -> None:
    own.path.rmdir()
    (mistake,) = own.mistakes()
    assert mistake.startswith("LGSP_CONFIG: the folder") and mistake.endswith("create it, or unset LGSP_CONFIG")


def test_the_mark_and_line_ends_of_notepad_are_accepted(own: OwnFolder) -> None:
    own.write(STATUS, 'one_stop_shop:\r\n  "77": finished\r\n'.encode("utf-8-sig"))
    own.write(DAYS, (HEADER + "2027-02-03,false,Nghỉ,TB 1\n").replace(",", ";").encode("utf-8-sig"))
    assert own.mistakes() == []


def test_notes_hidden_files_and_backup_copies_are_left_out(own: OwnFolder) -> None:
    for name in ("README.md", ".git/config", "codelists/dossier_status.yml~", "codelists/.dossier_status.yml.swp"):
        own.write(name, "\t")
    assert own.mistakes() == []


def test_an_unknown_province_is_a_mistake(own: OwnFolder, of_province: object) -> None:
    (mistake,) = of_province("99").mistakes()  # type: ignore[operator]
    assert mistake.startswith("LGSP_PROVINCE: no province has the code '99'; known are 49, 48, 19, 06")


def test_the_command_ends_with_1_when_there_is_a_mistake(own: OwnFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in own.settings.environment.items():
        monkeypatch.setenv(name, value)
    own.write(STATUS, 'one_stop_shop: {"77": done}')
    broken = CliRunner().invoke(main, ["config", "check"])
    assert (broken.exit_code, broken.stdout.count("\n")) == (1, 1)
    own.write(STATUS, 'one_stop_shop: {"77": finished}')
    assert CliRunner().invoke(main, ["config", "check"]).exit_code == 0
    shown = CliRunner().invoke(main, ["config", "show", "77"])
    assert shown.stdout.split() == [f"{STATUS}:1", "one_stop_shop", "77", "=", "finished"]
