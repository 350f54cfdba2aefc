"""What `pip install .` does not bring, by the names under which it is imported."""

OF_THE_LAB = (
    "ansible", "cryptography", "docker", "hdrh", "jinja2", "markupsafe", "msgspec", "psutil", "pygal", "pymysql",
    "pymysqlreplication", "pytest", "rich", "testinfra", "typer", "yaml",
)  # fmt: skip
