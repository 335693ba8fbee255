"""DICOM: what `cxr.imaging.reader` needs to read it, and what may leave a header without naming a patient."""
