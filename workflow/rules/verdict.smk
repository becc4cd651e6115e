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
        dag.tables(),
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
