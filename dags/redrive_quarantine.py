"""
**What:** rows in quarantine go the way of new records once more, from the bytes that were landed: for when a
rule, a mapping or a code list was mended, or a row was accepted. What passes is published like any other batch;
`tell` says how many passed and what still holds the others.

**When:** only when you trigger it, with a rule, a source, or the numbers that `lgsp quarantine list` shows; given
together, all of them must fit.

**May I run it again?** Yes. A row that passed is not taken again, one that fails again stays the row it was.
With nothing to drive again the run is skipped.

**What if it fails?** `pick`: nothing was chosen, or a row you named has left the quarantine; the message says which.
`harmonise` and `check` fail as in `ingest_<source>`; the rows stay in quarantine.
"""

from airflow.sdk import DAG, Param

from lgsp.schema import contract, sources
from wiring import assets, defaults, stages

with DAG(
    "redrive_quarantine",
    description="Drive rows in quarantine again, sources switched off",
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
            description="Their numbers, as `lgsp quarantine list` shows them.",
        ),
    },
    doc_md=__doc__,
    **defaults.of_dag("operators", "quarantine"),
):  # fmt: skip
    stages.tell(stages.check.override(outlets=assets.every_checked())(stages.harmonise(stages.pick())))
