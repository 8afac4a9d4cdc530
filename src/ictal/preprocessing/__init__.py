"""From the channels of any recording to the input of every model: 19 electrodes and EKG, 200 Hz, µV, band-passed."""
