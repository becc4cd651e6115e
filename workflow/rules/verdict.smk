# From predicted volumes to scores, tables, and NIfTI to look at.


rule score:
    input:
        dag.predictions,
    output:
        dag.layout.run("{run}", "{replicate}").scores,
        dag.layout.run("{run}", "{replicate}").scores_digest,
    params:
        arguments=dag.arguments,
        replicate=dag.replicate,
        digest=dag.digest("score"),
    log:
        dag.layout.log("score", "{run}", "{replicate}"),
    benchmark:
        dag.layout.timing("score", "{run}", "{replicate}")
    conda:
        "../../environment.yml"
    message:
        "Scoring {wildcards.run}, {wildcards.replicate}"
    shell:
        "python -m workflow score {params.arguments} --run {wildcards.run} {params.replicate}"
        " > {log} 2>&1"


rule export:
    input:
        dag.predictions,
    output:
        dag.layout.cases("{run}", "{replicate}") / "index.json",
    params:
        arguments=dag.arguments,
        replicate=dag.replicate,
    log:
        dag.layout.log("export", "{run}", "{replicate}"),
    benchmark:
        dag.layout.timing("export", "{run}", "{replicate}")
    conda:
        "../../environment.yml"
    message:
        "Writing the test patients' volumes of {wildcards.run}, {wildcards.replicate}, as NIfTI"
    shell:
        "python -m workflow export {params.arguments} --run {wildcards.run} {params.replicate}"
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
        split=dag.splits,
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
