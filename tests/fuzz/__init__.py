"""Fuzzing by coverage (atheris): ``make fuzz``. ``targets`` is used by the property tests as well."""
