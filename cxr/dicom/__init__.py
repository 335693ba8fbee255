"""DICOM: what `cxr.radiograph` needs to read it, and what may leave a header without naming a patient."""
