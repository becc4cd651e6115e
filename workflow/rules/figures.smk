# From scores, predicted volumes, weights and loss histories to figures.


rule draw:
    input:
        dag.all_made,
        scores=dag.all_scores,
        costs=dag.all_costs,
    output:
        [
            report(
                path,
                caption=f"../report/{path.stem}.rst",
                category="Figures",
                labels={"figure": path.stem, "format": path.suffix[1:]},
            )
            for path in dag.figures()
        ],
    params:
        arguments=dag.arguments,
        digest=dag.digest("draw"),
    log:
        dag.layout.log("draw"),
    conda:
        "../../environment.yml"
    message:
        "Drawing the figures to {dag.layout.figures}"
    shell:
        "python -m workflow draw {params.arguments} > {log} 2>&1"
