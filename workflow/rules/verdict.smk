# From predicted volumes to scores, tables, and NIfTI to look at.


rule score:
    input:
        dag.predictions,
    output:
        dag.layout.scores("{run}", "{seed}"),
    params:
        arguments=dag.arguments,
        digest=dag.digest("score"),
    log:
        dag.layout.log("score", "{run}", "seed{seed}"),
    conda:
        "../../environment.yml"
    message:
        "Scoring {wildcards.run}, seed {wildcards.seed}"
    shell:
        "python -m workflow score {params.arguments} --run {wildcards.run} --seed {wildcards.seed}"
        " > {log} 2>&1"


rule export:
    input:
        dag.predictions,
    output:
        dag.layout.cases("{run}", "{seed}") / "index.json",
    params:
        arguments=dag.arguments,
    log:
        dag.layout.log("export", "{run}", "seed{seed}"),
    conda:
        "../../environment.yml"
    message:
        "Writing the test patients' volumes of {wildcards.run}, seed {wildcards.seed}, as NIfTI"
    shell:
        "python -m workflow export {params.arguments} --run {wildcards.run} --seed {wildcards.seed}"
        " > {log} 2>&1"


rule tabulate:
    input:
        scores=dag.all_scores,
        costs=dag.all_costs,
    output:
        [
            report(
                path,
                caption=f"../report/{path.stem}.rst",
                category="Tables",
                labels={"table": path.stem, "format": path.suffix[1:]},
            )
            for path in dag.tables()
        ],
        scores=dag.layout.tables / "scores.csv",
    params:
        arguments=dag.arguments,
        digest=dag.digest("tabulate"),
    log:
        dag.layout.log("tabulate"),
    conda:
        "../../environment.yml"
    message:
        "Writing the tables to {dag.layout.tables}"
    shell:
        "python -m workflow tabulate {params.arguments} > {log} 2>&1"


rule manifest:
    input:
        dag.tables(),
        dag.figures(),
        dag.all_made,
        scores=dag.layout.tables / "scores.csv",
        split=dag.layout.split,
        cohort=dag.layout.manifest,
    output:
        dag.layout.provenance,
    params:
        arguments=dag.arguments,
        digest=dag.digest("manifest"),
    log:
        dag.layout.log("manifest"),
    conda:
        "../../environment.yml"
    message:
        "Writing down what the tables were made from to {output}"
    shell:
        "python -m workflow manifest {params.arguments} > {log} 2>&1"
