# From scores, costs, loss histories and predicted volumes to figures.


rule draw:
    input:
        dag.all_predictions,
        scores=dag.all_scores,
        costs=dag.all_costs,
    output:
        [report(path, **shown) for path, shown in dag.reported("figure")],
        dag.unreported("figure"),
    params:
        arguments=dag.arguments,
        digest=dag.digest("draw"),
    log:
        dag.layout.log("draw"),
    benchmark:
        dag.layout.timing("draw")
    conda:
        "../../environment.yml"
    message:
        "Drawing the figures to {dag.layout.figures}"
    shell:
        "python -m workflow draw {params.arguments} > {log} 2>&1"
