"""Whether a pipeline and its companions do what they should, as the judge reads their pictures: a section each."""
