# From raw NIfTI to the slice store and the split.

if dag.simulated:

    rule simulate:
        output:
            expand(
                "{folder}/{{patient}}/{{patient}}_{kind}.nii.gz",
                folder=dag.layout.phantom,
                kind=["t1", "t2", "flair", "t1ce", "seg"],
            ),
        params:
            arguments=dag.arguments,
            digest=dag.digest("simulate"),
        log:
            dag.layout.log("simulate", "{patient}"),
        benchmark:
            dag.layout.timing("simulate", "{patient}")
        conda:
            "../../environment.yml"
        message:
            "Simulating {wildcards.patient}"
        shell:
            "python -m workflow simulate {params.arguments} --patient {wildcards.patient} > {log} 2>&1"


rule prepare:
    input:
        dag.patient_files,
    output:
        volume=dag.layout.array("{patient}"),
        meta=dag.layout.stored("{patient}"),
    params:
        arguments=dag.arguments,
        files=dag.patient_state,
        digest=dag.digest("prepare"),
    log:
        dag.layout.log("prepare", "{patient}"),
    benchmark:
        dag.layout.timing("prepare", "{patient}")
    conda:
        "../../environment.yml"
    message:
        "Preparing {wildcards.patient}"
    shell:
        "python -m workflow prepare {params.arguments} --patient {wildcards.patient} > {log} 2>&1"


rule split:
    input:
        dag.before_split,
    output:
        split=dag.layout.split,
        input_checksums=dag.layout.input_checksums,
    params:
        arguments=dag.arguments,
        digest=dag.digest("split"),
    log:
        dag.layout.log("split"),
    benchmark:
        dag.layout.timing("split")
    conda:
        "../../environment.yml"
    message:
        "Splitting the patients into train, val and test"
    shell:
        "python -m workflow split {params.arguments} > {log} 2>&1"
