# From the slice store to weights and predicted volumes.


rule train:
    input:
        unpack(dag.before_training),
    output:
        weights=dag.layout.run("{run}", "{replicate}").weights,
        history=dag.layout.run("{run}", "{replicate}").history,
        cost=dag.layout.run("{run}", "{replicate}").cost,
    params:
        arguments=dag.arguments,
        replicate=dag.replicate,
        digest=dag.training_digest,
    log:
        dag.layout.log("train", "{run}", "{replicate}"),
    benchmark:
        dag.layout.timing("train", "{run}", "{replicate}")
    threads: dag.threads
    resources:
        gpu=dag.gpu,
    conda:
        "../../environment.yml"
    message:
        "Training {wildcards.run}, {wildcards.replicate}; losses go to {log}"
    shell:
        "python -m workflow train {params.arguments} --run {wildcards.run} {params.replicate}"
        " > {log} 2>&1"


rule synthesize:
    input:
        unpack(dag.before_prediction),
    output:
        index=dag.layout.run("{run}", "{replicate}").index("t1ce"),
        cost=dag.layout.run("{run}", "{replicate}").prediction_cost,
    wildcard_constraints:
        run=dag.named(external=False),
    params:
        arguments=dag.arguments,
        replicate=dag.replicate,
        digest=dag.training_digest,
    log:
        dag.layout.log("synthesize", "{run}", "{replicate}"),
    benchmark:
        dag.layout.timing("synthesize", "{run}", "{replicate}")
    threads: dag.threads
    resources:
        gpu=dag.gpu,
    conda:
        "../../environment.yml"
    message:
        "Synthesising T1ce with {wildcards.run}, {wildcards.replicate}"
    shell:
        "python -m workflow synthesize {params.arguments} --run {wildcards.run}"
        " {params.replicate} > {log} 2>&1"


rule segment:
    input:
        unpack(dag.before_prediction),
    output:
        dag.layout.run("{run}", "{replicate}").index("seg"),
    wildcard_constraints:
        run=dag.named(external=False),
    params:
        arguments=dag.arguments,
        replicate=dag.replicate,
        digest=dag.training_digest,
    log:
        dag.layout.log("segment", "{run}", "{replicate}"),
    benchmark:
        dag.layout.timing("segment", "{run}", "{replicate}")
    threads: dag.threads
    resources:
        gpu=dag.gpu,
    conda:
        "../../environment.yml"
    message:
        "Segmenting with {wildcards.run}, {wildcards.replicate}"
    shell:
        "python -m workflow segment {params.arguments} --run {wildcards.run}"
        " {params.replicate} > {log} 2>&1"
