# Before planning: what of the raw data changed. Before and after the jobs: the tracker.
from snakemake.exceptions import WorkflowError

from cxrfair.errors import CxrfairError
from cxrfair.manifests import refresh


def refresh_manifests():
    """Notice changed raw data before planning; a simulated set that is yet to be made has none."""
    for dataset, source in DATA.items():
        if dataset not in USED or (
            simulated(dataset) and not Path(manifest(dataset, "tables")).exists()
        ):
            continue
        paths = {kind: Path(manifest(dataset, kind)) for kind in ("tables", "images")}
        refresh(dataset, Path(source["root"]), paths, Path(memory(dataset)))


def plan_only_when_a_job_ends():
    """Take Snakemake's own limit of 100 jobs a second away; one that a user asked for stays.

    Under a limit Snakemake 9 looks at all that is ready again a second after each look, and each job
    that ends starts such a round of its own: after a hundred jobs planning keeps a core busy.
    """
    limiter = workflow.scheduler.job_rate_limiter
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def begin():
    """Refuse results of unknown origin and open the tracker, once, before the first job."""
    plan_only_when_a_job_ends()
    if os.environ.get("CXRFAIR_PLANNER") == "dvc":  # DVC compared every file with its lock
        refuse_unlisted()
    else:
        refuse_unrecorded()
    studies = json.dumps(list(STUDIES))
    opening = command("open_tracking", "--config", section("tracking"), "--studies", studies)
    session = subprocess.run(opening, text=True, stdout=subprocess.PIPE).stdout
    if session:
        os.environ[SESSION] = session


def end():
    """Give the tracker the test metrics of what was trained."""
    if os.environ.get(SESSION):
        found = [f"results/metrics/{study}/metrics.parquet" for study in STUDIES]
        subprocess.run(command("track", "--metrics", *[p for p in found if Path(p).exists()]))


def refuse_unlisted():
    """Stop when DVC was not told of a data set that a study uses: it would not notice its changes."""
    listed = Path("dvc.yaml").read_text(encoding="utf-8")
    lacking = [f"${{data.{name}.root}}" for name in sorted(USED)]
    lacking = [root for root in lacking if root not in listed]
    if lacking:
        raise WorkflowError(
            f"dvc.yaml: {', '.join(lacking)} not among the deps; add to stage records, and to "
            "stage images where it holds images"
        )


def refuse_unrecorded():
    """Stop when results lie there that Snakemake did not make or was not told of.

    After `git clone` and `dvc pull` their dates say nothing, and changed settings can't be seen.
    """
    jobs = workflow.dag.jobs
    going = set(workflow.dag.needrun_jobs())
    strays = [
        str(file)
        for job in jobs
        if job not in going
        for file in job.output
        if os.path.exists(file) and workflow.persistence.metadata(file) is None
    ]
    if strays:
        raise WorkflowError(
            f"{len(strays)} results have no record of how they were made, e.g. {strays[0]}; "
            "after `dvc pull` or `dvc checkout` run `make sync`, or delete them"
        )


if workflow.is_main_process:
    try:
        refresh_manifests()
    except CxrfairError as error:
        sys.exit(f"error: {error}")
