# From predicted volumes to scores, tables, and NIfTI to look at.


rule score:
    input:
        dag.predictions,
    output:
        dag.layout.run("{run}", "{seed}").scores,
        dag.layout.run("{run}", "{seed}").scores_digest,
    params:
        arguments=dag.arguments,
        digest=dag.digest("score"),
    log:
        dag.layout.log("score", "{run}", "seed{seed}"),
    benchmark:
        dag.layout.timing("score", "{run}", "seed{seed}")
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
    benchmark:
        dag.layout.timing("export", "{run}", "seed{seed}")
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
        [report(path, **shown) for path, shown in dag.reported("table")],
        dag.unreported("table"),
        scores=dag.layout.long_table,
    params:
        arguments=dag.arguments,
        digest=dag.digest("tabulate"),
    log:
        dag.layout.log("tabulate"),
    benchmark:
        dag.layout.timing("tabulate")
    conda:
        "../../environment.yml"
    message:
        "Writing the tables to {dag.layout.tables}"
    shell:
        "python -m workflow tabulate {params.arguments} > {log} 2>&1"


rule manifest:
    input:
        dag.items("table"),
        dag.items("figure"),
        dag.all_weights,
        dag.all_predictions,
        scores=dag.layout.long_table,
        split=dag.layout.split,
        cohort=dag.layout.input_checksums,
    output:
        dag.layout.manifest,
    params:
        arguments=dag.arguments,
        digest=dag.digest("manifest"),
    log:
        dag.layout.log("manifest"),
    benchmark:
        dag.layout.timing("manifest")
    conda:
        "../../environment.yml"
    message:
        "Recording what the tables were made from in {output}"
    shell:
        "python -m workflow manifest {params.arguments} > {log} 2>&1"
