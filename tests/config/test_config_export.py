"""Where may the champion be exported to?"""

import pytest

from selector.bootstrap import setup
from selector.config import load
from selector.errors import ConfigurationError
from selector.workflows.house import House


def loaded(folder, models, staging=""):
    path = folder / "selector.yaml"
    path.write_text(f"models:\n{models}\n{staging}")
    return load(path)


def one(folder, export):
    return loaded(folder, f"  churn: {{metric: f1, export: {export}}}").models["churn"].export


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("models/production", ("{}/models/production",)),
        ("[models/production, /srv/models]", ("{}/models/production", "/srv/models")),
        ("file:models/production", ("{}/models/production",)),
        ("file:///srv/two%20words", ("/srv/two words",)),
        ("s3://bucket/churn/", ("s3://bucket/churn",)),
        ("wasbs://box@account.blob.core.windows.net/churn", ("wasbs://box@account.blob.core.windows.net/churn",)),
        ("mlflow-artifacts:/exports/churn", ("mlflow-artifacts:/exports/churn",)),
        ("[]", ()),
    ],
)
def test_a_folder_or_an_address_or_a_list_of_them(tmp_path, text, means):
    assert one(tmp_path, text) == tuple(where.format(tmp_path) for where in means)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runs:/abc/model", "no place to export to"),
        ("models:/churn/1", "no place to export to"),
        ("http://localhost/models", "no place to export to"),
        ("uc", "no place to export to"),
        ("s3://bucket", "all of a store"),
        ("s3://key:secret@bucket/churn", "holds no password"),
        ("'s3://bucket/churn?token=abc'", "holds no password"),
        ("[models/production, models/production]", "is one twice"),
        ("[models, models/production]", "lies in another export"),
        ("''", "is empty"),
    ],
)
def test_what_cannot_be_written_to_is_refused_with_the_reason(tmp_path, text, said):
    with pytest.raises(ConfigurationError) as refused:
        one(tmp_path, text)
    assert said in refused.value.message
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("first", "second"), [("models/a", "models/a"), ("models/a", "models/a/b"), ("models/a/b", "models/a")]
)
def test_two_models_do_not_share_a_place(tmp_path, first, second):
    models = f"  one: {{metric: f1, export: {first}}}\n  two: {{metric: f1, export: {second}}}"
    with pytest.raises(ConfigurationError, match=r"models\.two\.export: .* to which 'one' is exported"):
        loaded(tmp_path, models)


def test_two_places_side_by_side_are_fine(tmp_path):
    loaded(tmp_path, "  one: {metric: f1, export: models/a}\n  two: {metric: f1, export: models/ab}")


@pytest.mark.parametrize("folder", ["models", "models/production", "models/production/incoming"])
def test_what_is_exported_is_not_staged_again(tmp_path, folder):
    staging = f"staging:\n  - {{folder: {folder}, model: churn, experiment: e}}"
    with pytest.raises(ConfigurationError, match="it would be imported again"):
        loaded(tmp_path, "  churn: {metric: f1, export: models/production}", staging)


def test_a_family_needs_a_place_for_each_member(tmp_path):
    with pytest.raises(ConfigurationError, match="all members of the family would share"):
        loaded(tmp_path, '  "F-{region}": {metric: f1, split_by: region, export: models/production}')


def test_the_value_of_a_member_stands_in_its_places(tmp_path):
    export = '[ "models/{region}/production", "s3://bucket/{region}" ]'
    found = loaded(tmp_path, f'  "F-{{region}}": {{metric: f1, split_by: region, export: {export}}}')
    rule = setup("F-{region}", found.models["F-{region}"])
    house = House(*(None,) * 7, setups={"F-{region}": rule}, spool=tmp_path)
    assert house.setup("F-old west").exports == (f"{tmp_path}/models/old west/production", "s3://bucket/old%20west")
