"""Files that BI tools open: connections, and what the served tables mean.

The tables and columns are those that the database has; the measures stand in bi/measures.yml.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree

import yaml

from python_jobs.serving.publish import Connection
from python_jobs.spark import PROJECT

MEASURES = PROJECT / "bi" / "measures.yml"
DIMENSIONS = {
    "student_id": "dim_student",
    "school_id": "dim_school",
    "course_id": "dim_course",
    "teacher_id": "dim_teacher",
    "term_id": "dim_term",
}
GRAINS = {"school": "school_id", "course": "course_id", "teacher": "teacher_id"}
_COLUMNS = """
    select
        classes.relname,
        obj_description(classes.oid),
        attributes.attname,
        format_type(attributes.atttypid, attributes.atttypmod),
        col_description(classes.oid, attributes.attnum)
    from pg_class as classes
    inner join pg_attribute as attributes on classes.oid = attributes.attrelid
    where
        classes.relnamespace = 'bi'::regnamespace
        and classes.relkind in ('r', 'p')
        and attributes.attnum > 0
        and not attributes.attisdropped
        and attributes.attname <> 'load_id'
    order by classes.relname, attributes.attnum
"""
_TEMPORAL = ("date", "timestamp without time zone", "timestamp with time zone")


@dataclass(frozen=True)
class Place:
    """Where clients find the server."""

    host: str
    port: int
    database: str
    login: str


def semantic_model(connection: Connection) -> dict[str, Any]:
    """Return tables with their columns, how they join, and measures over them."""
    tables: dict[str, dict[str, Any]] = {}
    for table, said, column, kind, meaning in connection.execute(_COLUMNS.encode()).fetchall():
        entry = tables.setdefault(str(table), {"description": said, "columns": []})
        entry["columns"].append({"name": column, "type": kind, "description": meaning})
    measures = yaml.safe_load(MEASURES.read_text(encoding="utf-8"))["measures"]
    return {
        "schema": "bi",
        "tables": [{"name": name, **entry} for name, entry in tables.items()],
        "relations": relations({n: [c["name"] for c in t["columns"]] for n, t in tables.items()}),
        "measures": [measure for measure in measures if measure["table"] in tables],
    }


def relations(tables: dict[str, list[str]]) -> list[dict[str, str]]:
    """Return which column points to which dimension: many rows to one.

    tables: columns by table. rows: the relation holds for these rows only.
    """
    found = []
    for table, columns in tables.items():
        for column, dimension in DIMENSIONS.items():
            if column in columns and table != dimension and dimension in tables:
                found.append(_relation(table, column, dimension, column))
        for grain, column in GRAINS.items():
            dimension = DIMENSIONS[column]
            if {"grain", "entity_id"} <= set(columns) and dimension in tables:
                rows = f"grain = '{grain}'"
                found.append({**_relation(table, "entity_id", dimension, column), "rows": rows})
    return found


def _relation(table: str, column: str, to_table: str, to_column: str) -> dict[str, str]:
    return {"table": table, "column": column, "to_table": to_table, "to_column": to_column}


def power_bi(place: Place) -> str:
    """Return a .pbids file: Power BI Desktop opens it as a connection that asks live."""
    address = {"server": f"{place.host}:{place.port}", "database": place.database}
    connection = {
        "details": {"protocol": "postgresql", "address": address},
        "mode": "DirectQuery",
    }
    return json.dumps({"version": "0.1", "connections": [connection]}, indent=2) + "\n"


def tableau(place: Place) -> str:
    """Return a .tds file: Tableau opens it as a live connection to kpi_values."""
    source = ElementTree.Element(
        "datasource", {"formatted-name": "district", "inline": "true", "version": "18.1"}
    )
    federated = ElementTree.SubElement(source, "connection", {"class": "federated"})
    named = ElementTree.SubElement(federated, "named-connections")
    one = ElementTree.SubElement(named, "named-connection", {"caption": place.host, "name": "bi"})
    ElementTree.SubElement(
        one,
        "connection",
        {
            "authentication": "username-password",
            "class": "postgres",
            "dbname": place.database,
            "port": str(place.port),
            "schema": "bi",
            "server": place.host,
            "sslmode": "require",
            "username": place.login,
        },
    )
    table = {
        "connection": "bi",
        "name": "kpi_values",
        "table": "[bi].[kpi_values]",
        "type": "table",
    }
    ElementTree.SubElement(federated, "relation", table)
    ElementTree.indent(source)
    return ElementTree.tostring(source, encoding="unicode", xml_declaration=True) + "\n"


def superset(model: dict[str, Any], place: Place) -> dict[str, str]:
    """Return the files of a Superset import: the database, and each table with its measures."""
    database = str(uuid5(NAMESPACE_URL, f"{place.host}:{place.port}/{place.database}"))
    uri = f"postgresql://{place.login}@{place.host}:{place.port}/{place.database}?sslmode=require"
    files: dict[str, Any] = {
        "metadata.yaml": {"version": "1.0.0", "type": "SqlaTable"},
        "databases/district.yaml": {
            "database_name": "district",
            "sqlalchemy_uri": uri,
            "expose_in_sqllab": True,
            "extra": {"schemas_allowed_for_file_upload": []},
            "uuid": database,
            "version": "1.0.0",
        },
    }
    for table in model["tables"]:
        own = [measure for measure in model["measures"] if measure["table"] == table["name"]]
        files[f"datasets/district/{table['name']}.yaml"] = {
            "table_name": table["name"],
            "schema": model["schema"],
            "description": table["description"],
            "columns": [
                {
                    "column_name": column["name"],
                    "type": column["type"].upper(),
                    "is_dttm": column["type"] in _TEMPORAL,
                    "groupby": True,
                    "filterable": True,
                    "description": column["description"],
                }
                for column in table["columns"]
            ],
            "metrics": [
                {
                    "metric_name": measure["name"],
                    "expression": measure["sql"],
                    "description": f"{measure['description']} Rows: {measure['rows']}.",
                }
                for measure in own
            ],
            "uuid": str(uuid5(NAMESPACE_URL, f"{database}/{table['name']}")),
            "database_uuid": database,
            "version": "1.0.0",
        }
    return {name: yaml.safe_dump(said, sort_keys=False) for name, said in files.items()}


def write_files(folder: Path, model: dict[str, Any], place: Place) -> list[Path]:
    """Write the files for each tool; none holds a password."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "semantic_model.json": json.dumps(model, indent=2) + "\n",
        "district.pbids": power_bi(place),
        "district.tds": tableau(place),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    archive = folder / "superset.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        for name, text in superset(model, place).items():
            files.writestr(f"district/{name}", text)
    return [*(folder / name for name in texts), archive]
