"""What a reader gets: findings.json, findings.tsv, labels.nii.gz, report.html and run.json; free of torch."""
