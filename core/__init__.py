"""The ground floor: the nouns of a pipeline, and the store, ledger and journal that a run stands on."""
