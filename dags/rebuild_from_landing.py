"""
**What:** harmonises and checks again what was landed before, with the source left alone: for when a
mapping, a code list or a rule has changed. The rebuilt batches are published like any others.

**When:** only when you trigger it, for one source and one window.

**May I run it again?** Yes. The landed bytes never change; each run makes new batches from them, and equal
rows change nothing in the shared dataset.

**What if it fails?** `landed`: nothing was ever fetched for this window, so run `ingest_<source>` for it.
`harmonise` and `check` fail as in `ingest_<source>`; what is published stays as it is until a rebuilt batch
passes.
"""

from airflow.sdk import DAG, Param

from lgsp.schema import sources
from wiring import assets, defaults, stages, windows

with DAG(
    "rebuild_from_landing",
    description="Harmonise and check landed batches again, sources switched off",
    schedule=None,
    params={
        "source": Param(type="string", enum=sources.names(), title="Source", description="Whose landed batches."),
        **windows.required_params(),
    },
    doc_md=__doc__,
    **defaults.of_dag("operators", "rebuild"),
):
    stages.check.override(outlets=assets.every_checked())(stages.harmonise(stages.landed()))
