"""The Dag files import cleanly and quickly, and their tasks, pools and schedules are as the runbook describes."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace

import pendulum
import pytest

from lgsp.schema import sources
from lgsp.window import LOCAL, Window, local_day, midnight

INGEST = [f"ingest_{name}" for name in sources.names()]
HEAVY = {"pandas", "great_expectations", "pyarrow", "duckdb", "psycopg", "lxml", "fastapi", "matplotlib", "xlsxwriter"}


def test_every_file_imports_without_error_or_warning(dagbag):
    assert dagbag.import_errors == {}
    assert not dagbag.captured_warnings
    assert set(dagbag.dags) == {
        *INGEST,
        "backup_store",
        "deliver_webhooks",
        "fill_gaps",
        "index_report",
        "maintain_snapshots",
        "publish_shared_dataset",
        "rebuild_from_landing",
        "redrive_quarantine",
        "restore_drill",
        "sweep_sources",
        "watch_completeness",
        "weekly_digest",
    }


def test_every_dag_survives_serialisation(dagbag):
    from airflow.serialization.serialized_objects import DagSerialization

    for dag in dagbag.dags.values():
        dag.validate()
        restored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
        assert [task.task_id for task in restored.tasks] == [task.task_id for task in dag.tasks]


def test_a_dag_file_is_wiring_of_at_most_fifty_lines(root):
    for path in (root / "dags").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 50, path.name


def test_reading_the_dags_loads_nothing_heavy(root):
    # A new process that only parses the files, as a worker does for each task.
    script = (
        "import runpy, sys, pathlib\n"
        f"sys.path.insert(0, {str(root / 'plugins')!r})\n"
        f"[runpy.run_path(str(p)) for p in pathlib.Path({str(root / 'dags')!r}).glob('*.py')]\n"
        f"print(*sorted({HEAVY!r} & set(sys.modules)))"
    )
    parsing = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    assert parsing.stdout.split() == []


def test_every_dag_has_instructions_for_the_on_call_engineer(dagbag):
    for dag in dagbag.dags.values():
        for question in ("What:", "When:", "May I run it again?", "What if it fails?"):
            assert question in dag.doc_md, (dag.dag_id, question)
        assert dag.description
        assert " · " in dag.dag_display_name, "a Vietnamese and an English name"
        assert dag.catchup is False
        assert "lgsp" in dag.tags


def test_every_task_logs_its_failure(dagbag):
    for dag in dagbag.dags.values():
        for task in dag.tasks:
            assert task.owner == "data-platform"
            assert task.on_failure_callback, (dag.dag_id, task.task_id)


@pytest.mark.parametrize("source", sources.names())
def test_a_source_is_landed_harmonised_and_checked_in_that_order(dagbag, source):
    dag = dagbag.dags[f"ingest_{source}"]
    assert [task.task_id for task in dag.topological_sort()] == ["land", "harmonise", "check"]
    assert dag.get_task("land").pool == f"source_{source}"
    assert [asset.name for asset in dag.get_task("check").outlets] == [f"checked_{source}"]
    assert dag.get_task("harmonise").outlets == []


def test_publishing_follows_any_source_or_time_with_one_writer(dagbag):
    dag = dagbag.dags["publish_shared_dataset"]
    condition = dag.timetable.asset_condition
    assert type(condition).__name__ == "AssetAny"
    assert {asset.name for asset in condition.objects} == {f"checked_{name}" for name in sources.names()}
    assert dag.max_active_runs == 1
    assert dag.get_task("publish").pool == "publish"
    assert [asset.name for asset in dag.get_task("publish").outlets] == ["shared_dataset"]


def test_a_rebuild_requires_a_source_and_a_window(dagbag):
    dag = dagbag.dags["rebuild_from_landing"]
    params = dag.params
    assert params.get_param("source").schema["enum"] == sources.names()
    with pytest.raises(Exception, match="no default value"):
        params.validate()
    assert [task.task_id for task in dag.topological_sort()] == ["landed", "harmonise", "check"]


def test_a_redrive_accepts_a_rule_a_source_or_row_numbers(dagbag):
    dag = dagbag.dags["redrive_quarantine"]
    assert [task.task_id for task in dag.topological_sort()] == ["select_rows", "harmonise", "check", "summarise"]
    assert {asset.name for asset in dag.get_task("check").outlets} == {f"checked_{name}" for name in sources.names()}
    dag.params.validate()
    rules = dag.params.get_param("rule_id").schema["enum"]
    assert "DOS_STATUS_MAPPED" in rules and "RECONCILIATION" not in rules
    with pytest.raises(Exception, match="'many' is not of type"):
        dag.params.get_param("quarantine_ids").resolve("many")


@pytest.mark.parametrize(
    "dag_id", [*INGEST, "rebuild_from_landing", "redrive_quarantine", "sweep_sources", "weekly_digest", "index_report"]
)
def test_every_param_has_a_title_and_a_description(dagbag, dag_id):
    params = dagbag.dags[dag_id].params
    for name in params:
        param = params.get_param(name)
        assert param.schema["title"]
        assert param.description.endswith(".")


@pytest.mark.parametrize("wrong", ["yesterday", "2022-06-01", "2022-06-01T00:00:00", 7])
def test_a_window_bound_that_is_no_instant_starts_no_run(dagbag, wrong):
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dagbag.dags[INGEST[0]].params.get_param("window_from").resolve(wrong)


def test_a_backfill_of_two_days_is_exactly_those_two_local_days(dagbag):
    from airflow.serialization.serialized_objects import DagSerialization

    dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dagbag.dags[INGEST[0]]))
    first, last = datetime(2022, 6, 1, tzinfo=LOCAL), datetime(2022, 6, 2, tzinfo=LOCAL)
    intervals = [info.data_interval for info in dag.iter_dagrun_infos_between(first, last)]
    windows = [Window(interval.start, interval.end) for interval in intervals]
    assert [window.days() for window in windows] == [[date(2022, 6, 1)], [date(2022, 6, 2)]]
    assert windows[0].end == windows[1].start


@pytest.mark.parametrize("hours_from_utc", [0, 7, -5, 9])
def test_a_backfill_in_any_zone_reads_every_day_it_touches(dagbag, hours_from_utc):
    from airflow.serialization.serialized_objects import DagSerialization

    dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dagbag.dags[INGEST[0]]))
    zone = timezone(timedelta(hours=hours_from_utc))
    first, last = datetime(2022, 6, 1, tzinfo=zone), datetime(2022, 6, 2, tzinfo=zone)
    days = [local_day(info.data_interval.start) for info in dag.iter_dagrun_infos_between(first, last)]
    assert days == Window(first, last + timedelta(seconds=1)).days()


def test_the_schedule_runs_one_local_day_after_the_other(dagbag):
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import DataInterval, TimeRestriction

    timetable = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dagbag.dags[INGEST[0]])).timetable
    before = DataInterval(pendulum.instance(midnight(date(2022, 6, 1))), pendulum.instance(midnight(date(2022, 6, 2))))
    restriction = TimeRestriction(pendulum.instance(midnight(date(2020, 1, 1))), None, catchup=True)
    following = timetable.next_dagrun_info(last_automated_data_interval=before, restriction=restriction)
    assert following.data_interval.start == before.end and local_day(following.data_interval.start) == date(2022, 6, 2)


def test_a_date_without_an_offset_is_a_local_day():
    from airflow.cli.cli_config import parsedate

    assert parsedate("2022-06-01") == datetime(2022, 6, 1, tzinfo=LOCAL)


def test_completeness_is_checked_every_morning_without_retries(dagbag):
    dag = dagbag.dags["watch_completeness"]
    assert set(dag.task_ids) == {"check_freshness", "check_completeness", "check_quarantine_age"}
    assert {task.retries for task in dag.tasks} == {0}
    assert dag.timetable.expression == "0 7 * * *"


def test_s32_backups_are_made_every_night_and_tried_every_month(dagbag):
    nightly, monthly = dagbag.dags["backup_store"], dagbag.dags["restore_drill"]
    assert (nightly.timetable.expression, nightly.task_ids) == ("0 1 * * *", ["back_up"])
    assert nightly.task_dict["back_up"].pool == "publish", "no snapshot is deleted while it is copied"
    assert (monthly.timetable.expression, monthly.task_ids) == ("0 3 3 * *", ["drill"])
    assert monthly.task_dict["drill"].retries == 0


def test_webhooks_are_delivered_only_where_there_are_addresses(dagbag, monkeypatch, tmp_path):
    from airflow.sdk.exceptions import AirflowSkipException

    dag = dagbag.dags["deliver_webhooks"]
    assert dag.task_ids == ["deliver_webhooks"] and not dag.timetable.can_be_scheduled
    monkeypatch.setenv("LGSP_HOME", str(tmp_path))
    with pytest.raises(AirflowSkipException, match="LGSP_WEBHOOKS"):
        dag.task_dict["deliver_webhooks"].python_callable()


def test_a_backup_without_a_repository_is_skipped(dagbag, monkeypatch, tmp_path):
    from airflow.sdk.exceptions import AirflowSkipException

    monkeypatch.setenv("LGSP_HOME", str(tmp_path))
    monkeypatch.delenv("RESTIC_REPOSITORY", raising=False)
    for name, task in (("backup_store", "back_up"), ("restore_drill", "drill")):
        with pytest.raises(AirflowSkipException, match="RESTIC_REPOSITORY"):
            dagbag.dags[name].task_dict[task].python_callable()


def test_snapshots_are_verified_before_files_are_deleted(dagbag):
    from wiring import defaults

    dag = dagbag.dags["maintain_snapshots"]
    assert [task.task_id for task in dag.topological_sort()] == ["recover", "verify", "verify_landing", "retire"]
    assert {dag.task_dict[name].pool for name in ("recover", "retire")} == {defaults.PUBLISH_POOL}


def test_a_run_of_the_schedule_comes_before_any_backfill(dagbag):
    from airflow.serialization.serialized_objects import DagSerialization

    for name in INGEST:
        dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dagbag.dags[name]))
        strategy = dag.get_task("land").weight_rule
        weights = {kind: strategy.get_weight(SimpleNamespace(run_id=f"{kind}__2022-06-01")) for kind in ("scheduled", "backfill", "manual")}  # fmt: skip
        assert weights["scheduled"] > max(weights["backfill"], weights["manual"])


def test_a_long_run_leaves_a_slot_to_the_schedule():
    from lgsp.local import airflow_environment

    assert {slots for pool, slots in airflow_environment.pools().items() if pool != "publish"} == {2}


def test_gaps_of_every_source_are_filled_hourly(dagbag):
    dag = dagbag.dags["fill_gaps"]
    assert dag.timetable.expression == "20 * * * *" and dag.max_active_runs == 1
    assert {task.task_id: task.pool for task in dag.tasks} == {f"fill_{name}": f"source_{name}" for name in sources.names()}  # fmt: skip
    assert all({asset.name for asset in task.outlets} == {f"checked_{task.task_id[5:]}"} for task in dag.tasks)


def test_each_source_has_its_own_sweep_task_and_pool(dagbag):
    dag = dagbag.dags["sweep_sources"]
    assert {task.task_id: task.pool for task in dag.tasks} == {
        f"sweep_{name}": f"source_{name}" for name in sources.names()
    }
    assert all({asset.name for asset in task.outlets} == {f"checked_{task.task_id[6:]}"} for task in dag.tasks)
