// What the page's controls do.

import { explain } from "./problems.js";
import { Recording } from "./saving.js";
import { readPicture } from "./sources.js";

const $ = (id) => document.getElementById(id);

/** Attaches a page to its controls. */
export function listen(page) {
  const click = (id, act) => $(id).addEventListener("click", act);
  click("choose-camera", () => page.openCamera());
  click("choose-pictures", () => {
    page.setState("pictures");
    $("picture-bg").focus();
  });
  click("choose-video", () => $("video-file").click());
  click("pictures-back", () => page.restart());
  click("restart", () => page.restart());
  click("cancel", () => page.restart());
  click("leave", () => page.restart());
  click("retry", () => page.retry());
  click("capture", () => page.capture());
  click("recapture", () => page.capture());
  click("dismiss", () => {
    page.dismissed = true;
    $("warning").hidden = true;
  });
  for (const name of ["mask", "depth", "cutout"]) {
    click(`save-${name}`, () => page.saveFile(name));
  }
  click("record", () => page.record());
  $("record").hidden = !Recording.canRecord;
  const change = (id, act) => $(id).addEventListener("change", act);
  change("video-file", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) page.openVideo(file);
  });
  for (const id of ["picture-bg", "picture-fg"]) listenForPicture($(id));
  $("pictures").addEventListener("submit", (event) => {
    event.preventDefault();
    page.compare();
  });
  change("camera", (event) => page.openCamera(event.target.value));
  $("seek").addEventListener("input", (event) => {
    const { video } = page.source;
    video.currentTime = event.target.value * video.duration;
  });
  change("background-file", (event) =>
    readInto(page, event, (file) => page.useBackgroundFile(file)),
  );
  change("backdrop-file", (event) =>
    readInto(page, event, async (file) => {
      page.backdrop = await readPicture(file);
      page.putBackdrop();
      page.draw();
    }),
  );
  $("colour").addEventListener("input", (event) => {
    document.documentElement.style.setProperty("--chosen", event.target.value);
    page.draw();
  });
  for (const input of document.querySelectorAll("input[name=view]")) {
    input.addEventListener("change", () => page.setView(input.value));
  }
  for (const input of document.querySelectorAll("input[name=behind]")) {
    input.addEventListener("change", () => page.setBehind());
  }
}

// One of the two pictures: chosen or dropped, and shown at once.
function listenForPicture(input) {
  const label = input.closest("label");
  const show = () => {
    const [file] = input.files;
    label.querySelector("img")?.remove();
    label.classList.toggle("chosen", Boolean(file));
    label.querySelector("span").textContent = file?.name ?? "Choose a picture, or drop it here";
    if (file) label.prepend(imageOf(file));
    $("compare").disabled = !($("picture-bg").files[0] && $("picture-fg").files[0]);
  };
  input.addEventListener("change", show);
  label.addEventListener("dragover", (event) => event.preventDefault());
  label.addEventListener("drop", (event) => {
    event.preventDefault();
    input.files = event.dataTransfer.files;
    show();
  });
}

// A file that cannot be read leaves all else as it is.
async function readInto(page, event, take) {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  try {
    await take(file);
  } catch (error) {
    const { title, text } = explain(error, "file");
    page.say(`${title}. ${text}`, true);
  }
}

function imageOf(file) {
  const image = new Image();
  image.alt = "";
  image.src = URL.createObjectURL(file);
  image.onload = image.onerror = () => URL.revokeObjectURL(image.src);
  return image;
}
