# From tables, figures, predicted volumes and the manifest to a page that opens in a browser.


rule page:
    input:
        dag.items("table"),
        dag.items("figure"),
        dag.all_predictions,
        scores=dag.layout.long_table,
        manifest=dag.layout.manifest,
    output:
        dag.layout.page,
    params:
        arguments=dag.arguments,
        digest=dag.digest("page"),
    log:
        dag.layout.log("page"),
    benchmark:
        dag.layout.timing("page")
    conda:
        "../../environment.yml"
    message:
        "Writing the page to {output}"
    shell:
        "python -m workflow page {params.arguments} > {log} 2>&1"
