/** The sound of alarms: two gentle tones, repeated until nobody needs to be told any more. */

const REPEAT_MS = 4000;
const TONES_HZ = [660, 880];
const TONE_S = 0.22;
const LOUDNESS = 0.12;

export class Sound {
  constructor() {
    /** @type {AudioContext | null} - made when it is first needed */
    this.audio = null;
    this.isMuted = false;
    this.isWanted = false;
    /** Whether the browser withheld a sound until the reader's last click or key. */
    this.wasBlocked = false;
    this.onChange = () => {};
    setInterval(() => this.play(), REPEAT_MS);
    // Browsers allow sound only after the reader has touched the page.
    for (const type of ["pointerdown", "keydown"]) {
      document.addEventListener(type, () => {
        this.wasBlocked = this.isBlocked;
        this.allow();
      }, { capture: true });
    }
  }

  /** Whether the browser withholds a sound that is wanted. */
  get isBlocked() {
    return this.isWanted && !this.isMuted && this.audio?.state === "suspended";
  }

  /** @param {boolean} wanted - whether there is an alarm that sounds */
  want(wanted) {
    const begins = wanted && !this.isWanted;
    this.isWanted = wanted;
    if (begins) this.play();
    this.onChange();
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.isMuted = muted;
    this.onChange();
  }

  async allow() {
    this.audio ??= new AudioContext();
    if (this.audio.state === "suspended") await this.audio.resume();
    this.onChange();
  }

  play() {
    if (!this.isWanted || this.isMuted) return;
    this.audio ??= new AudioContext();
    this.onChange();
    if (this.audio.state !== "running") return;
    TONES_HZ.forEach((hertz, place) => this.tone(hertz, place * TONE_S));
  }

  /**
   * @param {number} hertz
   * @param {number} after_s
   */
  tone(hertz, after_s) {
    if (!this.audio) return;
    const start = this.audio.currentTime + after_s;
    const [tone, volume] = [this.audio.createOscillator(), this.audio.createGain()];
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(LOUDNESS, start + TONE_S / 4);
    volume.gain.linearRampToValueAtTime(0, start + TONE_S);
    tone.connect(volume).connect(this.audio.destination);
    tone.start(start);
    tone.stop(start + TONE_S);
  }
}
