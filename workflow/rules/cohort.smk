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


rule cohort:
    input:
        dag.prepared,
    output:
        dag.layout.input_checksums,
    params:
        arguments=dag.arguments,
        digest=dag.digest("cohort"),
    log:
        dag.layout.log("cohort"),
    benchmark:
        dag.layout.timing("cohort")
    conda:
        "../../environment.yml"
    message:
        "Checking the prepared patients together"
    shell:
        "python -m workflow cohort {params.arguments} > {log} 2>&1"


rule split:
    input:
        dag.before_split,
    output:
        dag.layout.store / "split{place}.csv",
    wildcard_constraints:
        place=r"(-repeat\d+)?(-fold\d+)?",
    params:
        arguments=dag.arguments,
        place=dag.place,
        digest=dag.digest("split"),
    log:
        dag.layout.log("split{place}"),
    benchmark:
        dag.layout.timing("split{place}")
    conda:
        "../../environment.yml"
    message:
        "Splitting the patients into train, val and test"
    shell:
        "python -m workflow split {params.arguments}{params.place} > {log} 2>&1"
