"""
**What:** harmonises and checks landed data again without calling the source. Use it after a mapping, a code list or a
rule has changed. The rebuilt batches are published like any other batch.

**When:** only when you trigger it, for one source and one window.

**May I run it again?** Yes. The landed bytes never change. Each run makes new batches from them; rows that are equal
change nothing in the shared dataset.

**What if it fails?** `landed`: no data were fetched for this window; run `ingest_<source>` for it. `harmonise` and `check`
fail as in `ingest_<source>`; the published data stay unchanged until a rebuilt batch passes.
"""

from airflow.sdk import DAG, Param

from lgsp.schema import sources
from wiring import assets, defaults, stages, windows

with DAG(
    "rebuild_from_landing",
    dag_display_name="Xử lý lại dữ liệu gốc đã lưu · Rebuild from landed data",
    description="Harmonise and check landed batches again without calling the source",
    schedule=None,
    params={
        "source": Param(
            type="string", enum=sources.names(), title="Source", description="The source of the landed batches."
        ),
        **windows.required_params(),
    },
    doc_md=__doc__,
    **defaults.dag_arguments("operators", "rebuild"),
):
    stages.check.override(outlets=assets.every_checked())(stages.harmonise(stages.landed()))
