# From volumes that were made elsewhere to predicted volumes.


rule ingest:
    input:
        split=dag.split,
        input_checksums=dag.layout.input_checksums,
    output:
        dag.layout.run("{run}", "{replicate}").index("{kind}"),
    wildcard_constraints:
        run=dag.named(external=True),
        kind="t1ce|seg",
    params:
        arguments=dag.arguments,
        replicate=dag.replicate,
        digest=dag.training_digest,
    log:
        dag.layout.log("ingest", "{run}", "{replicate}", "{kind}"),
    benchmark:
        dag.layout.timing("ingest", "{run}", "{replicate}", "{kind}")
    priority: 1  # faults of the files are reported before trainings begin
    conda:
        "../../environment.yml"
    message:
        "Checking and storing the volumes ({wildcards.kind}) of {wildcards.run}, {wildcards.replicate}"
    shell:
        "python -m workflow ingest {params.arguments} --run {wildcards.run}"
        " {params.replicate} --kind {wildcards.kind} > {log} 2>&1"
