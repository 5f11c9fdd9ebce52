rule report:
    input:
        lambda wildcards: flat(study_files(wildcards.study)),
        code=code(
            "report", *plugged_in("report.tables", "report.figures", "metrics", "comparisons")
        ),
        look="src/cxrfair/report/article.html",
    output:
        tables=directory("results/report/{study}/tables"),
        figures=directory("results/report/{study}/figures"),
        article="results/report/{study}/article.json",
    log:
        "logs/report/{study}.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        study=lambda w: section("studies", w.study),
        files=lambda w: json.dumps(study_files(w.study), sort_keys=True),
        facts=report_facts(),
        config=section("report"),
        out=lambda wildcards, output: os.path.dirname(output.article),
    message:
        "{wildcards.study}: draw tables and figures"
    shell:
        "python -m cxrfair.stages.report --name {wildcards.study} --study {params.study:q}"
        " --files {params.files:q} --facts {params.facts:q} --config {params.config:q}"
        " --out {params.out} --article {output.article} 2> {log}"


rule page:
    input:
        articles=[rules.report.output.article.format(study=name) for name in STUDIES],
        code=code("page"),
        look=["src/cxrfair/report/page.html", "src/cxrfair/report/page.css"],
    output:
        page="results/report/index.html",
    log:
        "logs/page.log",
    conda:
        "../envs/cxrfair.yaml"
    params:
        config=section("report"),
    message:
        "write the report"
    shell:
        "python -m cxrfair.stages.page --articles {input.articles} --config {params.config:q}"
        " --page {output.page} 2> {log}"
