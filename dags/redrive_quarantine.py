"""
**What:** processes quarantined rows again from their landed bytes. Use it after a rule, a mapping or a code list was fixed,
or after a row was accepted. Rows that pass are published like any other batch; `summarise` reports how many passed and
which rules quarantine the others.

**When:** only when you trigger it, with a rule, a source, or the row numbers that `lgsp quarantine list` shows. Choices
that are given together must all match.

**May I run it again?** Yes. A row that passed is not selected again; a row that fails again stays in quarantine unchanged.
With no row to process the run is skipped.

**What if it fails?** `select_rows`: no choice was given, or a row you named is no longer in quarantine; the message names
it. `harmonise` and `check` fail as in `ingest_<source>`; the rows stay in quarantine.
"""

from airflow.sdk import DAG, Param

from lgsp.schema import contract, sources
from wiring import assets, defaults, stages

with DAG(
    "redrive_quarantine",
    dag_display_name="Xử lý lại dữ liệu bị cách ly · Reprocess quarantined rows",
    description="Process quarantined rows again without calling the source",
    schedule=None,
    params={
        "rule_id": Param(
            None, type=["null", "string"], enum=[None, *contract.quarantine_rule_ids()], title="Rule",
            description="All open rows that broke this rule.",
        ),
        "source": Param(
            None, type=["null", "string"], enum=[None, *sources.names()], title="Source",
            description="Only rows of this source.",
        ),
        "quarantine_ids": Param(
            None, type=["null", "array"], items={"type": "integer"}, title="Rows",
            description="Row numbers, as `lgsp quarantine list` shows them.",
        ),
    },
    doc_md=__doc__,
    **defaults.dag_arguments("operators", "quarantine"),
):  # fmt: skip
    stages.summarise(stages.check.override(outlets=assets.every_checked())(stages.harmonise(stages.select_rows())))
