"""The two contracts as code: the names, types and wording that data, weights, cards and answers share."""
