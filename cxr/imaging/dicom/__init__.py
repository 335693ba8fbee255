"""DICOM files: their pixels as a viewer shows them, and what of a header identifies no patient."""
