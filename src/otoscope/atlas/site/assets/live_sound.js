/* Sound for live questions: taken from the microphone or a file, and made into a WAV of 16 kHz that holds what the model
   hears at once. The browser decodes, so that whatever it can play can be asked about. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const RATE_HZ = 16000;
  const MOST_FILE_BYTES = 200e6; // more than this is not even opened
  const live = (otoscope.live_page = otoscope.live_page || {});

  // Samples as a WAV file of 16 bits.
  function wav(samples) {
    const bytes = new ArrayBuffer(44 + 2 * samples.length), view = new DataView(bytes);
    const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
    text(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
    view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
    view.setUint32(24, RATE_HZ, true); view.setUint32(28, 2 * RATE_HZ, true);
    view.setUint16(32, 2, true); view.setUint16(34, 16, true);
    text(36, "data"); view.setUint32(40, 2 * samples.length, true);
    samples.forEach((sample, i) => view.setInt16(44 + 2 * i, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true));
    return new Blob([bytes], { type: "audio/wav" });
  }

  // A recording of any format the browser knows: {body, recording_s}; one it does not know goes to the server as it is.
  live.prepare = async (blob, window_s, most_bytes) => {
    if (blob.size > MOST_FILE_BYTES) throw new Error("This file is larger than 200 MB: cut out the part you want to ask about.");
    if (!blob.size) throw new Error("This file is empty.");
    let sound;
    try {
      const decoder = new OfflineAudioContext(1, 1, RATE_HZ); // decodes and resamples
      sound = await decoder.decodeAudioData(await blob.arrayBuffer());
    } catch {
      if (blob.size > most_bytes) throw new Error("This browser cannot read the file, and it is too large to be sent as it is.");
      return { body: blob, recording_s: null };
    }
    const n = Math.min(sound.length, Math.round(window_s * RATE_HZ)), mixed = new Float32Array(n);
    for (let channel = 0; channel < sound.numberOfChannels; channel += 1) {
      sound.getChannelData(channel).subarray(0, n).forEach((sample, i) => { mixed[i] += sample / sound.numberOfChannels; });
    }
    if (!n) throw new Error("There is no sound in this file.");
    return { body: wav(mixed), recording_s: sound.duration };
  };

  // Record from the microphone until stop() or the longest time; tells how long it has been going.
  live.record = async (most_s, tell) => {
    if (!navigator.mediaDevices || !window.MediaRecorder) {
      throw new Error("This browser lets pages record only from 127.0.0.1, localhost or an https address.");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      throw new Error(error.name === "NotFoundError" ? "There is no microphone." : "The microphone may not be used: allow it for this page.");
    }
    const recorder = new MediaRecorder(stream), parts = [], begin = performance.now();
    recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
    const stop = () => { if (recorder.state !== "inactive") recorder.stop(); };
    const clock = setInterval(() => {
      const gone = (performance.now() - begin) / 1000;
      tell(gone);
      if (gone >= most_s) stop();
    }, 100);
    const done = new Promise((resolve) => recorder.addEventListener("stop", () => {
      clearInterval(clock);
      stream.getTracks().forEach((track) => track.stop());
      resolve(new Blob(parts, { type: recorder.mimeType }));
    }));
    recorder.start();
    return { stop, done };
  };
})();
