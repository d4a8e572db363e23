"""Turn a training run into what a device needs: one graph per backbone, one pack per task."""
