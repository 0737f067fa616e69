const LONGEST_SIDE = 480
/** A request to the simulator may have 256 KB; a picture is sent within it. */
const MOST_CHARACTERS = 150_000

const canvasOf = (width: number, height: number) => {
  const canvas = Object.assign(document.createElement('canvas'), { width, height })
  const context = canvas.getContext('2d')
  if (!context) throw new Error('This browser cannot draw.')
  return { canvas, context }
}

/** A small landscape, so that there is a picture to send without looking for one. */
export function samplePicture(): string {
  const { canvas, context } = canvasOf(240, 160)
  const sky = context.createLinearGradient(0, 0, 0, 160)
  sky.addColorStop(0, '#3f8fb8')
  sky.addColorStop(0.7, '#ffd9a0')
  context.fillStyle = sky
  context.fillRect(0, 0, 240, 160)
  context.fillStyle = '#fff3d6'
  context.beginPath()
  context.arc(168, 84, 22, 0, 7)
  context.fill()
  const hill = (colour: string, x: number, y: number, radius: number) => {
    context.fillStyle = colour
    context.beginPath()
    context.ellipse(x, y, radius, radius * 0.55, 0, 0, 7)
    context.fill()
  }
  hill('#6b8f71', 40, 170, 130)
  hill('#3f6b57', 190, 180, 140)
  hill('#24493f', 90, 195, 120)
  return canvas.toDataURL('image/jpeg', 0.8)
}

/** A picture from this computer, made small enough for a text. */
export async function readPicture(file: File): Promise<string> {
  const image = await createImageBitmap(file).catch(() => {
    throw new Error('This file is no picture that the browser can read.')
  })
  const scale = Math.min(1, LONGEST_SIDE / Math.max(image.width, image.height))
  const { canvas, context } = canvasOf(Math.ceil(image.width * scale), Math.ceil(image.height * scale))
  context.drawImage(image, 0, 0, canvas.width, canvas.height)
  image.close()
  const url = [0.8, 0.5, 0.2].map((quality) => canvas.toDataURL('image/jpeg', quality))
  const fitting = url.find(({ length }) => length < MOST_CHARACTERS)
  if (!fitting) throw new Error('This picture is too large to send.')
  return fitting
}
