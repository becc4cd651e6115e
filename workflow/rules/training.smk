# From the slice store to weights and predicted volumes.


rule train:
    input:
        unpack(dag.before_training),
    output:
        weights=dag.layout.run("{run}", "{seed}").weights,
        history=dag.layout.run("{run}", "{seed}").history,
        cost=dag.layout.run("{run}", "{seed}").cost,
    params:
        arguments=dag.arguments,
        digest=dag.training_digest,
    log:
        dag.layout.log("train", "{run}", "seed{seed}"),
    benchmark:
        dag.layout.timing("train", "{run}", "seed{seed}")
    threads: dag.threads
    resources:
        gpu=dag.gpu,
    conda:
        "../../environment.yml"
    message:
        "Training {wildcards.run}, seed {wildcards.seed}; losses go to {log}"
    shell:
        "python -m workflow train {params.arguments} --run {wildcards.run} --seed {wildcards.seed}"
        " > {log} 2>&1"


rule synthesize:
    input:
        unpack(dag.before_prediction),
    output:
        index=dag.layout.run("{run}", "{seed}").index("t1ce"),
        cost=dag.layout.run("{run}", "{seed}").prediction_cost,
    wildcard_constraints:
        run=dag.named(external=False),
    params:
        arguments=dag.arguments,
        digest=dag.training_digest,
    log:
        dag.layout.log("synthesize", "{run}", "seed{seed}"),
    benchmark:
        dag.layout.timing("synthesize", "{run}", "seed{seed}")
    threads: dag.threads
    resources:
        gpu=dag.gpu,
    conda:
        "../../environment.yml"
    message:
        "Synthesising T1ce with {wildcards.run}, seed {wildcards.seed}"
    shell:
        "python -m workflow synthesize {params.arguments} --run {wildcards.run}"
        " --seed {wildcards.seed} > {log} 2>&1"


rule segment:
    input:
        unpack(dag.before_prediction),
    output:
        dag.layout.run("{run}", "{seed}").index("seg"),
    wildcard_constraints:
        run=dag.named(external=False),
    params:
        arguments=dag.arguments,
        digest=dag.training_digest,
    log:
        dag.layout.log("segment", "{run}", "seed{seed}"),
    benchmark:
        dag.layout.timing("segment", "{run}", "seed{seed}")
    threads: dag.threads
    resources:
        gpu=dag.gpu,
    conda:
        "../../environment.yml"
    message:
        "Segmenting with {wildcards.run}, seed {wildcards.seed}"
    shell:
        "python -m workflow segment {params.arguments} --run {wildcards.run}"
        " --seed {wildcards.seed} > {log} 2>&1"
