"""`cxrfair phantom illustrate`: images for the cases of a table."""

import sys
from pathlib import Path

import pytest

from cxrfair import cli, datasets

PARAMS = Path(__file__).parents[3] / "params.yaml"
TINY = ("--image-size", "32", "--corrupt-share", "0", "--dirt-share", "0", "--params", str(PARAMS))
TABLE = (
    "submitter_id\tgender\tajcc_pathologic_stage\n"
    "TCGA-05-4244\tfemale\tStage IB\n"
    "TCGA-44-A47B\tmale\tStage IIIA\n"
)


@pytest.fixture
def command(monkeypatch, capfd):
    """Run the command in this process; give exit status and what was said."""
    monkeypatch.setenv("COLUMNS", "250")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["cxrfair", "phantom", "illustrate", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code
        if isinstance(status, str):  # what sys.exit would print
            sys.stderr.write(f"{status}\n")
            status = 1
        return status, "".join(capfd.readouterr())

    return run


def test_a_table_becomes_a_folder_that_can_be_read(command, tmp_path):
    clinical, root = tmp_path / "clinical.tsv", tmp_path / "TCGA-LUAD"
    clinical.write_text(TABLE)
    status, said = command(clinical, root, *TINY)
    assert status == 0
    assert "images of 2 real cases, all simulated" in said
    assert "TCGA-05" not in said.replace(str(root), "")
    assert (tmp_path / "TCGA-LUAD.truth.parquet").is_file()
    read = datasets.read("tcga_luad", root, "{}")
    assert set(read.records["sex"]) == {"female", "male"}


def test_no_table_is_said(command, tmp_path):
    status, said = command(tmp_path / "none.tsv", tmp_path / "x", *TINY)
    assert status == 1
    assert "none.tsv: no such file; give the clinical table of the GDC" in said
    assert not (tmp_path / "x").exists()
